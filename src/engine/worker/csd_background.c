/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_background.h"

#include <pthread.h>
#include <stdlib.h>

struct csd_background {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t filled;
	struct csd_background_task *first, **last;
	void (*begin)(void);
	bool ends;
};

static void
background_append(struct csd_background *background, struct csd_background_task *task)
{
	task->next = NULL;
	*background->last = task;
	background->last = &task->next;
	pthread_cond_signal(&background->filled);
}

/* Locked. NULL: it ends. */
static struct csd_background_task *
background_next(struct csd_background *background)
{
	struct csd_background_task *task;

	while (background->first == NULL && !background->ends) {
		pthread_cond_wait(&background->filled, &background->mutex);
	}
	task = background->first;
	if (task != NULL) {
		background->first = task->next;
		background->last = background->first == NULL ? &background->first : background->last;
	}
	return task;
}

static void *
background_run(void *ctx)
{
	struct csd_background *background = ctx;
	struct csd_background_task *task;

	if (background->begin != NULL) {
		background->begin();
	}
	pthread_mutex_lock(&background->mutex);
	while ((task = background_next(background)) != NULL) {
		bool dropped;

		if (task->state == CSD_BACKGROUND_SUBMITTED) {
			pthread_mutex_unlock(&background->mutex);
			task->work(task);
			pthread_mutex_lock(&background->mutex);
		}
		dropped = task->dropped;
		if (!dropped) {
			__atomic_store_n(&task->state, CSD_BACKGROUND_DONE, __ATOMIC_RELEASE);	/* from now on it is its owner's */
			continue;
		}
		pthread_mutex_unlock(&background->mutex);
		task->drop(task);
		pthread_mutex_lock(&background->mutex);
	}
	pthread_mutex_unlock(&background->mutex);
	return NULL;
}

struct csd_background *
csd_background_create(void (*begin)(void))
{
	struct csd_background *background = calloc(1, sizeof(*background));

	if (background == NULL) {
		return NULL;
	}
	background->last = &background->first;
	background->begin = begin;
	pthread_mutex_init(&background->mutex, NULL);
	pthread_cond_init(&background->filled, NULL);
	if (pthread_create(&background->thread, NULL, background_run, background) != 0) {
		pthread_cond_destroy(&background->filled);
		pthread_mutex_destroy(&background->mutex);
		free(background);
		return NULL;
	}
	return background;
}

void
csd_background_destroy(struct csd_background *background)
{
	pthread_mutex_lock(&background->mutex);
	background->ends = true;
	pthread_cond_signal(&background->filled);
	pthread_mutex_unlock(&background->mutex);
	pthread_join(background->thread, NULL);
	pthread_cond_destroy(&background->filled);
	pthread_mutex_destroy(&background->mutex);
	free(background);
}

void
csd_background_submit(struct csd_background *background, struct csd_background_task *task)
{
	pthread_mutex_lock(&background->mutex);
	task->state = CSD_BACKGROUND_SUBMITTED;
	background_append(background, task);
	pthread_mutex_unlock(&background->mutex);
}

bool
csd_background_is_done(const struct csd_background_task *task)
{
	return __atomic_load_n(&task->state, __ATOMIC_ACQUIRE) == CSD_BACKGROUND_DONE;
}

void
csd_background_drop(struct csd_background *background, struct csd_background_task *task)
{
	pthread_mutex_lock(&background->mutex);
	task->dropped = true;
	if (task->state != CSD_BACKGROUND_SUBMITTED) {
		background_append(background, task);	/* else it comes by there */
	}
	pthread_mutex_unlock(&background->mutex);
}
