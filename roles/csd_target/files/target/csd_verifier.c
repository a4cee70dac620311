/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE	/* pthread_setname_np() */
#include "csd_verifier.h"

#include "spdk/env.h"
#include "spdk/thread.h"

struct job {
	struct csd_verification verification;
	struct csd_loaded *loaded;
	char reason[CSD_REASON_BYTES];
	struct spdk_thread *thread;
	csd_verified verified;
	void *ctx;
	STAILQ_ENTRY(job) link;
};

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t filled;
	STAILQ_HEAD(, job) jobs;
	bool running;
} g_verifier = {
	.mutex = PTHREAD_MUTEX_INITIALIZER,
	.filled = PTHREAD_COND_INITIALIZER,
	.jobs = STAILQ_HEAD_INITIALIZER(g_verifier.jobs),
};

static void
report(void *ctx)
{
	struct job *job = ctx;

	job->verified(job->ctx, job->verification.pind, job->loaded, job->reason);
	free(job);
}

static struct job *
next_job(void)
{
	struct job *job;

	pthread_mutex_lock(&g_verifier.mutex);
	while (STAILQ_EMPTY(&g_verifier.jobs)) {
		pthread_cond_wait(&g_verifier.filled, &g_verifier.mutex);
	}
	job = STAILQ_FIRST(&g_verifier.jobs);
	STAILQ_REMOVE_HEAD(&g_verifier.jobs, link);
	pthread_mutex_unlock(&g_verifier.mutex);
	return job;
}

/* Ends with the process. */
static void *
run(void *unused)
{
	/* It inherited a reactor's core. */
	spdk_unaffinitize_thread();
	for (;;) {
		struct job *job = next_job();
		struct csd_verification *verification = &job->verification;

		job->loaded = csd_loaded_create(verification->bytes, verification->length, &verification->options,
						job->reason);
		while (spdk_thread_send_msg(job->thread, report, job) == -ENOMEM) {
			usleep(1000);
		}
	}
	return unused;
}

static int
start(void)
{
	pthread_t thread;
	int rc;

	if (g_verifier.running) {
		return 0;
	}
	rc = pthread_create(&thread, NULL, run, NULL);
	if (rc == 0) {
		pthread_setname_np(thread, "csd_verifier");
		pthread_detach(thread);
		g_verifier.running = true;
	}
	return -rc;
}

int
csd_verifier_submit(const struct csd_verification *verification, csd_verified verified, void *ctx)
{
	struct job *job = calloc(1, sizeof(*job));
	int rc;

	if (job == NULL) {
		return -ENOMEM;
	}
	job->verification = *verification;
	job->thread = spdk_get_thread();
	job->verified = verified;
	job->ctx = ctx;
	pthread_mutex_lock(&g_verifier.mutex);
	rc = start();
	if (rc == 0) {
		STAILQ_INSERT_TAIL(&g_verifier.jobs, job, link);
		pthread_cond_signal(&g_verifier.filled);
	}
	pthread_mutex_unlock(&g_verifier.mutex);
	if (rc != 0) {
		free(job);
	}
	return rc;
}
