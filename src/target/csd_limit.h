/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* At most so many of something in a while. Plain: knows nothing of SPDK. */
#ifndef CSD_LIMIT_H
#define CSD_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct csd_limit {
	uint64_t since;		/* when this while began */
	uint32_t taken;		/* in it */
	uint64_t dropped;	/* since the last one that was taken */
};

/* Whether there is room for one more now; then *dropped is how many there were no room for before it. */
bool csd_limit_take(struct csd_limit *limit, uint32_t most, uint64_t now, uint64_t while_ticks, uint64_t *dropped);

#endif
