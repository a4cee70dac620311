/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Which of the runs that wait for their beginning begins: there is room for some at a time. Of the hosts that wait, one
 * with the fewest under way; of its queues likewise; of a queue the oldest. Beyond the room a host that has none under
 * way begins one nevertheless, so nobody's long runs keep others out. Plain: knows nothing of SPDK.
 */
#ifndef CSD_SHARES_H
#define CSD_SHARES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define CSD_SHARES_ROOM		8	/* at a time */
#define CSD_SHARES_MOST		32	/* with the ones of hosts that had none */

struct csd_share;

struct csd_waiter {
	struct csd_share *share;
	bool waits;
	TAILQ_ENTRY(csd_waiter) link;
};

/* Of one queue of a host. */
struct csd_share {
	const void *queue;
	const void *host;
	uint32_t under_way;
	uint32_t waiting;
	TAILQ_HEAD(, csd_waiter) waiters;
	TAILQ_ENTRY(csd_share) link;
};

struct csd_shares {
	uint32_t under_way;
	uint32_t waiting;
	TAILQ_HEAD(, csd_share) list;
};

void csd_shares_init(struct csd_shares *shares);

/* Waits from now on. `host` and `queue` are compared only. 0 or -ENOMEM. */
int csd_shares_join(struct csd_shares *shares, struct csd_waiter *waiter, const void *host, const void *queue);
/* Has ended: it was under way. */
void csd_shares_leave(struct csd_shares *shares, struct csd_waiter *waiter);

/* The next one that begins: under way from now on. NULL: none waits, or there is no room. */
struct csd_waiter *csd_shares_next(struct csd_shares *shares);
/* This one is under way from now on, whatever room there is: it is to end. */
void csd_shares_take(struct csd_shares *shares, struct csd_waiter *waiter);

#endif
