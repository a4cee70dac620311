/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_shares.h"

#include <errno.h>
#include <stdlib.h>

void
csd_shares_init(struct csd_shares *shares)
{
	shares->under_way = 0;
	shares->waiting = 0;
	TAILQ_INIT(&shares->list);
}

static struct csd_share *
csd_shares_find(struct csd_shares *shares, const void *host, const void *queue)
{
	struct csd_share *share;

	TAILQ_FOREACH(share, &shares->list, link) {
		if (share->queue == queue) {
			return share;
		}
	}
	share = calloc(1, sizeof(*share));
	if (share != NULL) {
		share->host = host;
		share->queue = queue;
		TAILQ_INIT(&share->waiters);
		TAILQ_INSERT_TAIL(&shares->list, share, link);
	}
	return share;
}

int
csd_shares_join(struct csd_shares *shares, struct csd_waiter *waiter, const void *host, const void *queue)
{
	struct csd_share *share = csd_shares_find(shares, host, queue);

	if (share == NULL) {
		return -ENOMEM;
	}
	waiter->share = share;
	waiter->waits = true;
	TAILQ_INSERT_TAIL(&share->waiters, waiter, link);
	share->waiting++;
	shares->waiting++;
	return 0;
}

void
csd_shares_take(struct csd_shares *shares, struct csd_waiter *waiter)
{
	struct csd_share *share = waiter->share;

	waiter->waits = false;
	TAILQ_REMOVE(&share->waiters, waiter, link);
	share->waiting--;
	shares->waiting--;
	share->under_way++;
	shares->under_way++;
}

void
csd_shares_leave(struct csd_shares *shares, struct csd_waiter *waiter)
{
	struct csd_share *share = waiter->share;

	waiter->share = NULL;
	shares->under_way--;
	if (--share->under_way == 0 && share->waiting == 0) {
		TAILQ_REMOVE(&shares->list, share, link);
		free(share);
	}
}

static uint32_t
csd_shares_of_host(const struct csd_shares *shares, const void *host)
{
	const struct csd_share *share;
	uint32_t under_way = 0;

	TAILQ_FOREACH(share, &shares->list, link) {
		under_way += share->host == host ? share->under_way : 0;
	}
	return under_way;
}

struct csd_waiter *
csd_shares_next(struct csd_shares *shares)
{
	struct csd_share *share, *best = NULL;
	uint32_t of_host, fewest = UINT32_MAX;
	struct csd_waiter *waiter;

	if (shares->waiting == 0 || shares->under_way >= CSD_SHARES_MOST) {
		return NULL;
	}
	TAILQ_FOREACH(share, &shares->list, link) {
		if (share->waiting == 0) {
			continue;
		}
		of_host = csd_shares_of_host(shares, share->host);
		if (best == NULL || of_host < fewest || (of_host == fewest && share->under_way < best->under_way)) {
			fewest = of_host;
			best = share;
		}
	}
	if (shares->under_way >= CSD_SHARES_ROOM && fewest > 0) {
		return NULL;
	}
	waiter = TAILQ_FIRST(&best->waiters);
	csd_shares_take(shares, waiter);
	return waiter;
}
