/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What a program's maps keep from one run to the next (CSD_MAP_KEPT), as long as it is loaded. A run works on a copy in its
 * worker's memory (csd_copies.h), and one run has it at a time, on whichever thread: hosts by turns. Nobody is told that its turn
 * has come: who waits looks. Plain: knows nothing of SPDK.
 */
#ifndef CSD_KEPT_H
#define CSD_KEPT_H

#include <pthread.h>

#include "csd_turns.h"

struct csd_kept {
	uint8_t *bytes;			/* whose turn it is alone looks at them */
	uint64_t length;
	pthread_mutex_t mutex;		/* of what follows */
	struct csd_turns turns;
	const struct csd_turn *holder;	/* whose turn it is; NULL: nobody's */
};

/* Zeros: maps that are empty. NULL: no memory. */
struct csd_kept *csd_kept_create(uint64_t length);
void csd_kept_free(struct csd_kept *kept);		/* NULL is fine; else nobody waits, or has it */

/* Waits for its turn, and has it at once if nobody else has. 0 or -ENOMEM. */
int csd_kept_join(struct csd_kept *kept, struct csd_turn *turn, const char *host_nqn);
bool csd_kept_has(struct csd_kept *kept, const struct csd_turn *turn);
/* Waits no more; or its turn is over. */
void csd_kept_leave(struct csd_kept *kept, struct csd_turn *turn);

#endif
