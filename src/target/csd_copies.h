/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Ranges that a program writes to. It never sees them: it gets copies in memory of its worker's own, filled before it runs and
 * written back when its run has ended well. So what it does before a fault, or while nobody believes it yet, changes nothing.
 * Plain: knows nothing of SPDK.
 */
#ifndef CSD_COPIES_H
#define CSD_COPIES_H

#include <stdbool.h>
#include <stdint.h>

#include "csd_bpf.h"

#define CSD_COPIES_ALIGNMENT	64
/* Room that all of a command take: each begins at a multiple of that. */
#define CSD_COPIES_ROOM		(CSD_MAX_WRITABLE_BYTES + CSD_MAX_RANGES * CSD_COPIES_ALIGNMENT)
/* Copied at a time, between which the reactor does other work: some 25 us, as for Fill and Copy of SLM. */
#define CSD_COPIES_SLICE	(256u << 10)

struct csd_copy {
	uint32_t number;	/* of the range, among those that the program sees */
	uint8_t *range;
	uint64_t length;
	uint64_t at;		/* in the room */
};

struct csd_copies {
	struct csd_copy copy[CSD_MAX_RANGES];
	uint32_t count;
	uint64_t bytes;		/* of all */
	uint64_t room;		/* that they take */
	uint32_t next;		/* the one that is being copied, */
	uint64_t done;		/* and how far */
};

/* Of zeros: one more. False: together they are longer than CSD_MAX_WRITABLE_BYTES, or more than there can be. */
bool csd_copies_add(struct csd_copies *copies, uint32_t number, uint8_t *range, uint64_t length);

/* NULL: there is none of this range. */
const struct csd_copy *csd_copies_of(const struct csd_copies *copies, uint32_t number);

/* A slice of them: from the ranges into `room`, or `back`. True: there is more. False: all is done; the next call begins anew. */
bool csd_copies_move(struct csd_copies *copies, uint8_t *room, bool back);

#endif
