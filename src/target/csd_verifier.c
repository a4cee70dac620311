/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE	/* pthread_setname_np() */
#include "csd_verifier.h"

#include "spdk/env.h"
#include "spdk/thread.h"
#include "spdk/util.h"

#include "csd_load_queue.h"

/* How often it is looked whether somebody still waits. */
#define SWEEP_MICROSECONDS	10000
/* gcc takes up to 512 MiB (csd_compile's limit) each. */
#define LEAST_COMPILERS		2
#define MOST_COMPILERS		4

struct job {
	struct csd_load_item item;
	struct csd_verification verification;
	struct csd_loaded *loaded;
	bool cancelled;
	char reason[CSD_REASON_BYTES];
	struct spdk_thread *thread;
	struct spdk_poller *sweeper;
	bool (*wanted)(void *ctx);
	csd_verified verified;
	void *ctx;
};

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t filled;
	struct csd_load_queue queue;
	uint32_t threads;
} g_verifier = {
	.mutex = PTHREAD_MUTEX_INITIALIZER,
	.filled = PTHREAD_COND_INITIALIZER,
	.queue = {
		.hosts = TAILQ_HEAD_INITIALIZER(g_verifier.queue.hosts), .ready = TAILQ_HEAD_INITIALIZER(g_verifier.queue.ready),
	},
};

static void
verifier_report(void *ctx)
{
	struct job *job = ctx;
	/* What came to its end nevertheless counts. */
	bool dropped = job->loaded == NULL && job->cancelled;

	spdk_poller_unregister(&job->sweeper);
	job->verified(job->ctx, job->verification.pind, job->loaded, dropped ? NULL : job->reason);
	free(job);
}

/* Nobody waits for it: it leaves the queue; or csd_blob_get() sees that, ends its compiler, and it is reported. */
static int
verifier_sweep(void *ctx)
{
	struct job *job = ctx;
	bool dropped;

	if (job->cancelled || job->wanted(job->ctx)) {
		return SPDK_POLLER_IDLE;
	}
	__atomic_store_n(&job->cancelled, true, __ATOMIC_RELAXED);
	pthread_mutex_lock(&g_verifier.mutex);
	dropped = csd_load_queue_drop(&g_verifier.queue, &job->item);
	pthread_mutex_unlock(&g_verifier.mutex);
	if (dropped) {
		free(job->verification.bytes);
		verifier_report(job);
	}
	return SPDK_POLLER_BUSY;
}

static struct job *
verifier_next(void)
{
	struct csd_load_item *item;

	pthread_mutex_lock(&g_verifier.mutex);
	while ((item = csd_load_queue_next(&g_verifier.queue)) == NULL) {
		pthread_cond_wait(&g_verifier.filled, &g_verifier.mutex);
	}
	pthread_mutex_unlock(&g_verifier.mutex);
	return SPDK_CONTAINEROF(item, struct job, item);
}

/* Ends with the process. */
static void *
verifier_run(void *ctx)
{
	(void)ctx;
	/* It inherited a reactor's core. */
	spdk_unaffinitize_thread();
	for (;;) {
		struct job *job = verifier_next();
		struct csd_verification *verification = &job->verification;

		job->loaded = csd_loaded_create(verification->bytes, verification->length, &verification->options,
						&job->cancelled, job->reason);
		pthread_mutex_lock(&g_verifier.mutex);
		csd_load_queue_done(&g_verifier.queue, &job->item);
		pthread_mutex_unlock(&g_verifier.mutex);
		while (spdk_thread_send_msg(job->thread, verifier_report, job) == -ENOMEM) {
			usleep(1000);
		}
	}
	return NULL;
}

static int
verifier_start(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t most = (uint32_t)spdk_min(spdk_max(cpus / 2, LEAST_COMPILERS), MOST_COMPILERS);
	pthread_t thread;
	int rc = 0;

	while (g_verifier.threads < most && (rc = pthread_create(&thread, NULL, verifier_run, NULL)) == 0) {
		pthread_setname_np(thread, "csd_compiler");
		pthread_detach(thread);
		g_verifier.threads++;
	}
	return g_verifier.threads > 0 ? 0 : -rc;
}

int
csd_verifier_submit(const struct csd_verification *verification, const struct csd_verifier_asker *asker)
{
	struct job *job = calloc(1, sizeof(*job));
	int rc;

	if (job == NULL) {
		return -ENOMEM;
	}
	job->verification = *verification;
	job->thread = spdk_get_thread();
	job->wanted = asker->wanted;
	job->verified = asker->verified;
	job->ctx = asker->ctx;
	job->sweeper = SPDK_POLLER_REGISTER(verifier_sweep, job, SWEEP_MICROSECONDS);
	pthread_mutex_lock(&g_verifier.mutex);
	rc = job->sweeper == NULL ? -ENOMEM : verifier_start();
	rc = rc != 0 ? rc : csd_load_queue_add(&g_verifier.queue, &job->item, asker->host_nqn);
	if (rc == 0) {
		pthread_cond_signal(&g_verifier.filled);
	}
	pthread_mutex_unlock(&g_verifier.mutex);
	if (rc != 0) {
		spdk_poller_unregister(&job->sweeper);
		free(job);
	}
	return rc;
}
