/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_shares.h"

#include <stdio.h>
#include <stdlib.h>

#include "expect.h"

#define EACH 50

/* Hosts A (two queues), B and C; only addresses count. */
static const char g_host[3], g_queue[4];

int
main(void)
{
	struct csd_shares shares;
	struct csd_waiter deep[EACH], shallow, other[EACH], third, host[CSD_SHARES_MOST];
	static const char many[CSD_SHARES_MOST];
	int i;

	csd_shares_init(&shares);
	expect("nobody", csd_shares_next(&shares) == NULL);
	for (i = 0; i < EACH; i++) {
		expect("join", csd_shares_join(&shares, &deep[i], &g_host[0], &g_queue[0]) == 0);
	}
	for (i = 0; i < CSD_SHARES_ROOM; i++) {
		expect("alone it has all the room, the oldest first", csd_shares_next(&shares) == &deep[i]);
	}
	expect("no more", csd_shares_next(&shares) == NULL && shares.under_way == CSD_SHARES_ROOM);

	expect("join", csd_shares_join(&shares, &shallow, &g_host[0], &g_queue[1]) == 0);
	expect("not a second queue of it either", csd_shares_next(&shares) == NULL);
	for (i = 0; i < EACH; i++) {
		expect("join", csd_shares_join(&shares, &other[i], &g_host[1], &g_queue[2]) == 0);
	}
	expect("a host that has none begins one nevertheless", csd_shares_next(&shares) == &other[0]);
	expect("but one only", csd_shares_next(&shares) == NULL);

	/* Room goes to the host that has less: until both have four. */
	csd_shares_leave(&shares, &deep[0]);
	expect("still too many", csd_shares_next(&shares) == NULL);
	for (i = 1; i < 4; i++) {
		csd_shares_leave(&shares, &deep[i]);
		expect("the other host's turn", csd_shares_next(&shares) == &other[i]);
	}
	/* Then to the queue of it that has none. */
	csd_shares_leave(&shares, &deep[4]);
	expect("the shallow queue", csd_shares_next(&shares) == &shallow);

	expect("join", csd_shares_join(&shares, &third, &g_host[2], &g_queue[3]) == 0);
	csd_shares_take(&shares, &third);
	expect("taken", !third.waits && third.share->under_way == 1);
	csd_shares_leave(&shares, &third);
	csd_shares_leave(&shares, &shallow);
	expect("deep again", csd_shares_next(&shares) == &deep[8]);

	/* Any number of hosts: one each, to a limit. */
	for (i = 0; i < CSD_SHARES_MOST; i++) {
		expect("join", csd_shares_join(&shares, &host[i], &many[i], &many[i]) == 0);
	}
	for (i = 0; i < CSD_SHARES_MOST - CSD_SHARES_ROOM; i++) {
		expect("each begins one", csd_shares_next(&shares) == &host[i]);
	}
	expect("to the limit", csd_shares_next(&shares) == NULL && shares.under_way == CSD_SHARES_MOST);

	for (; i < CSD_SHARES_MOST; i++) {
		csd_shares_take(&shares, &host[i]);
	}
	for (i = 0; i < CSD_SHARES_MOST; i++) {
		csd_shares_leave(&shares, &host[i]);
	}
	for (i = 0; i < EACH; i++) {
		if (deep[i].waits) {
			csd_shares_take(&shares, &deep[i]);
		}
		if (deep[i].share != NULL) {
			csd_shares_leave(&shares, &deep[i]);
		}
		if (other[i].waits) {
			csd_shares_take(&shares, &other[i]);
		}
		csd_shares_leave(&shares, &other[i]);
	}
	expect("nothing is left", TAILQ_EMPTY(&shares.list) && shares.under_way == 0 && shares.waiting == 0);
	printf("csd_shares: %u checks\n", g_checks);
	return 0;
}
