/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_load_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct csd_load_host {
	TAILQ_ENTRY(csd_load_host) link;	/* in hosts, */
	TAILQ_ENTRY(csd_load_host) turn;	/* in ready */
	TAILQ_HEAD(, csd_load_item) queued;
	uint32_t items;				/* queued or under way */
	bool under_way;
	char nqn[];
};

void
csd_load_queue_init(struct csd_load_queue *queue)
{
	TAILQ_INIT(&queue->hosts);
	TAILQ_INIT(&queue->ready);
}

static struct csd_load_host *
load_queue_find(struct csd_load_queue *queue, const char *nqn)
{
	struct csd_load_host *host;
	size_t bytes = strlen(nqn) + 1;

	TAILQ_FOREACH(host, &queue->hosts, link) {
		if (strcmp(host->nqn, nqn) == 0) {
			return host;
		}
	}
	host = calloc(1, sizeof(*host) + bytes);
	if (host != NULL) {
		memcpy(host->nqn, nqn, bytes);
		TAILQ_INIT(&host->queued);
		TAILQ_INSERT_TAIL(&queue->hosts, host, link);
	}
	return host;
}

static void
load_queue_forget(struct csd_load_queue *queue, struct csd_load_item *item)
{
	struct csd_load_host *host = item->host;

	item->host = NULL;
	if (--host->items == 0) {
		TAILQ_REMOVE(&queue->hosts, host, link);
		free(host);
	}
}

int
csd_load_queue_add(struct csd_load_queue *queue, struct csd_load_item *item, const char *host_nqn)
{
	struct csd_load_host *host = load_queue_find(queue, host_nqn);

	if (host == NULL) {
		return -ENOMEM;
	}
	if (TAILQ_EMPTY(&host->queued) && !host->under_way) {
		TAILQ_INSERT_TAIL(&queue->ready, host, turn);
	}
	TAILQ_INSERT_TAIL(&host->queued, item, link);
	host->items++;
	item->host = host;
	item->queued = true;
	return 0;
}

struct csd_load_item *
csd_load_queue_next(struct csd_load_queue *queue)
{
	struct csd_load_host *host = TAILQ_FIRST(&queue->ready);
	struct csd_load_item *item;

	if (host == NULL) {
		return NULL;
	}
	TAILQ_REMOVE(&queue->ready, host, turn);
	host->under_way = true;
	item = TAILQ_FIRST(&host->queued);
	TAILQ_REMOVE(&host->queued, item, link);
	item->queued = false;
	return item;
}

void
csd_load_queue_done(struct csd_load_queue *queue, struct csd_load_item *item)
{
	struct csd_load_host *host = item->host;

	host->under_way = false;
	if (!TAILQ_EMPTY(&host->queued)) {
		/* Behind the others that wait. */
		TAILQ_INSERT_TAIL(&queue->ready, host, turn);
	}
	load_queue_forget(queue, item);
}

bool
csd_load_queue_drop(struct csd_load_queue *queue, struct csd_load_item *item)
{
	struct csd_load_host *host = item->host;

	if (!item->queued) {
		return false;
	}
	TAILQ_REMOVE(&host->queued, item, link);
	item->queued = false;
	if (TAILQ_EMPTY(&host->queued) && !host->under_way) {
		TAILQ_REMOVE(&queue->ready, host, turn);
	}
	load_queue_forget(queue, item);
	return true;
}
