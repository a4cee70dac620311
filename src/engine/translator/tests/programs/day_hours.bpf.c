/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* When in the day things happen: hours since midnight, counted each. */
#include "csd_bpf.h"

struct visit {
	__u64 nanoseconds;	/* since some midnight */
	__u64 visitor;
};

struct by_hour {
	__u64 visits[24];
};

CSD_RECORD_STATE(struct visit, sizeof(struct visit), CSD_EMIT_NOTHING, struct by_hour);

CSD_PROGRAM
int day_hours(const struct visit *visit)
{
	__u64 hours = visit->nanoseconds / (60 * 60 * 1000000000ull);

	csd_state.visits[hours % 24] += 1;
	return CSD_DROP;
}
