/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_load_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct csd_load_line_of_host {
	TAILQ_HEAD(, csd_load_item) items;
	TAILQ_ENTRY(csd_load_host) link;	/* in ready */
	bool under_way;
};

struct csd_load_host {
	struct csd_load_line_of_host lines[CSD_LOAD_LINES];
	TAILQ_ENTRY(csd_load_host) link;
	uint32_t items;
	char nqn[];
};

void
csd_load_queue_init(struct csd_load_queue *queue)
{
	TAILQ_INIT(&queue->hosts);
	for (int line = 0; line < CSD_LOAD_LINES; line++) {
		TAILQ_INIT(&queue->ready[line]);
	}
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
		for (int line = 0; line < CSD_LOAD_LINES; line++) {
			TAILQ_INIT(&host->lines[line].items);
		}
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
csd_load_queue_add(struct csd_load_queue *queue, struct csd_load_item *item, const char *host_nqn, enum csd_load_line line)
{
	struct csd_load_host *host = load_queue_find(queue, host_nqn);
	struct csd_load_line_of_host *of;

	if (host == NULL) {
		return -ENOMEM;
	}
	of = &host->lines[line];
	if (TAILQ_EMPTY(&of->items) && !of->under_way) {
		TAILQ_INSERT_TAIL(&queue->ready[line], host, lines[line].link);
	}
	TAILQ_INSERT_TAIL(&of->items, item, link);
	host->items++;
	item->host = host;
	item->line = line;
	item->queued = true;
	return 0;
}

struct csd_load_item *
csd_load_queue_next(struct csd_load_queue *queue, enum csd_load_line line)
{
	struct csd_load_host *host = TAILQ_FIRST(&queue->ready[line]);
	struct csd_load_item *item;

	if (host == NULL) {
		return NULL;
	}
	TAILQ_REMOVE(&queue->ready[line], host, lines[line].link);
	host->lines[line].under_way = true;
	item = TAILQ_FIRST(&host->lines[line].items);
	TAILQ_REMOVE(&host->lines[line].items, item, link);
	item->queued = false;
	return item;
}

void
csd_load_queue_done(struct csd_load_queue *queue, struct csd_load_item *item)
{
	struct csd_load_line_of_host *of = &item->host->lines[item->line];

	of->under_way = false;
	if (!TAILQ_EMPTY(&of->items)) {
		/* Behind the others that wait. */
		TAILQ_INSERT_TAIL(&queue->ready[item->line], item->host, lines[item->line].link);
	}
	load_queue_forget(queue, item);
}

bool
csd_load_queue_drop(struct csd_load_queue *queue, struct csd_load_item *item)
{
	struct csd_load_line_of_host *of;

	if (!item->queued) {
		return false;
	}
	of = &item->host->lines[item->line];
	TAILQ_REMOVE(&of->items, item, link);
	item->queued = false;
	if (TAILQ_EMPTY(&of->items) && !of->under_way) {
		TAILQ_REMOVE(&queue->ready[item->line], item->host, lines[item->line].link);
	}
	load_queue_forget(queue, item);
	return true;
}
