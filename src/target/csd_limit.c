/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_limit.h"

bool
csd_limit_take(struct csd_limit *limit, uint32_t most, uint64_t now, uint64_t while_ticks, uint64_t *dropped)
{
	/* Threads' clocks may differ a little: a moment before `since` is within it. */
	if (now > limit->since && now - limit->since >= while_ticks) {
		limit->since = now;
		limit->taken = 0;
	}
	if (limit->taken == most) {
		limit->dropped++;
		return false;
	}
	limit->taken++;
	*dropped = limit->dropped;
	limit->dropped = 0;
	return true;
}
