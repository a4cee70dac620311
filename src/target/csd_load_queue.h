/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Whose program is compiled next, which takes seconds. A host has a queue, hosts come by turns, and of one host there is one
 * program under way at a time. Plain: knows nothing of SPDK or of threads; who has several of them locks.
 */
#ifndef CSD_LOAD_QUEUE_H
#define CSD_LOAD_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct csd_load_host;

struct csd_load_item {
	struct csd_load_host *host;
	bool queued;
	TAILQ_ENTRY(csd_load_item) link;
};

TAILQ_HEAD(csd_load_hosts, csd_load_host);

struct csd_load_queue {
	struct csd_load_hosts hosts;	/* with items, queued or under way */
	struct csd_load_hosts ready;	/* with queued ones, and none under way */
};

void csd_load_queue_init(struct csd_load_queue *queue);

/* 0 or -ENOMEM. The host is known by its name; "" is one too. */
int csd_load_queue_add(struct csd_load_queue *queue, struct csd_load_item *item, const char *host_nqn);

/* The next: under way from now on. NULL: none, or only of hosts that have one under way. */
struct csd_load_item *csd_load_queue_next(struct csd_load_queue *queue);
/* It was under way, and is over. */
void csd_load_queue_done(struct csd_load_queue *queue, struct csd_load_item *item);

/* Nobody wants it any more. False: it is under way already. */
bool csd_load_queue_drop(struct csd_load_queue *queue, struct csd_load_item *item);

#endif
