/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_aside.h"

#include <pthread.h>
#include <stdlib.h>

struct csd_aside {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t filled;
	struct csd_aside_order *first, **last;
	void (*begin)(void);
	bool ends;
};

static void
aside_append(struct csd_aside *aside, struct csd_aside_order *order)
{
	order->next = NULL;
	*aside->last = order;
	aside->last = &order->next;
	pthread_cond_signal(&aside->filled);
}

/* Locked. NULL: it ends. */
static struct csd_aside_order *
aside_next(struct csd_aside *aside)
{
	struct csd_aside_order *order;

	while (aside->first == NULL && !aside->ends) {
		pthread_cond_wait(&aside->filled, &aside->mutex);
	}
	order = aside->first;
	if (order != NULL) {
		aside->first = order->next;
		aside->last = aside->first == NULL ? &aside->first : aside->last;
	}
	return order;
}

static void *
aside_run(void *ctx)
{
	struct csd_aside *aside = ctx;
	struct csd_aside_order *order;

	if (aside->begin != NULL) {
		aside->begin();
	}
	pthread_mutex_lock(&aside->mutex);
	while ((order = aside_next(aside)) != NULL) {
		bool dropped;

		if (order->state == CSD_ASIDE_ASKED) {
			pthread_mutex_unlock(&aside->mutex);
			order->work(order);
			pthread_mutex_lock(&aside->mutex);
		}
		dropped = order->dropped;
		if (!dropped) {
			__atomic_store_n(&order->state, CSD_ASIDE_DONE, __ATOMIC_RELEASE);	/* from now on it is its owner's */
			continue;
		}
		pthread_mutex_unlock(&aside->mutex);
		order->drop(order);
		pthread_mutex_lock(&aside->mutex);
	}
	pthread_mutex_unlock(&aside->mutex);
	return NULL;
}

struct csd_aside *
csd_aside_create(void (*begin)(void))
{
	struct csd_aside *aside = calloc(1, sizeof(*aside));

	if (aside == NULL) {
		return NULL;
	}
	aside->last = &aside->first;
	aside->begin = begin;
	pthread_mutex_init(&aside->mutex, NULL);
	pthread_cond_init(&aside->filled, NULL);
	if (pthread_create(&aside->thread, NULL, aside_run, aside) != 0) {
		pthread_cond_destroy(&aside->filled);
		pthread_mutex_destroy(&aside->mutex);
		free(aside);
		return NULL;
	}
	return aside;
}

void
csd_aside_destroy(struct csd_aside *aside)
{
	pthread_mutex_lock(&aside->mutex);
	aside->ends = true;
	pthread_cond_signal(&aside->filled);
	pthread_mutex_unlock(&aside->mutex);
	pthread_join(aside->thread, NULL);
	pthread_cond_destroy(&aside->filled);
	pthread_mutex_destroy(&aside->mutex);
	free(aside);
}

void
csd_aside_ask(struct csd_aside *aside, struct csd_aside_order *order)
{
	pthread_mutex_lock(&aside->mutex);
	order->state = CSD_ASIDE_ASKED;
	aside_append(aside, order);
	pthread_mutex_unlock(&aside->mutex);
}

bool
csd_aside_is_done(const struct csd_aside_order *order)
{
	return __atomic_load_n(&order->state, __ATOMIC_ACQUIRE) == CSD_ASIDE_DONE;
}

void
csd_aside_drop(struct csd_aside *aside, struct csd_aside_order *order)
{
	pthread_mutex_lock(&aside->mutex);
	order->dropped = true;
	if (order->state != CSD_ASIDE_ASKED) {
		aside_append(aside, order);	/* else it comes by there */
	}
	pthread_mutex_unlock(&aside->mutex);
}
