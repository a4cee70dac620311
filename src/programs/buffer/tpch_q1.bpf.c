/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Query 1 of TPC-H: lineitem.h. */
#include "csd_bpf.h"
#include "csd_programs.h"
#include "lineitem.h"

#define LAST_DAY	10561	/* 1998-12-01 */
#define DELTA		90
#define GROUPS		6

CSD_RECORD_STATE(struct csd_lineitem, sizeof(struct csd_lineitem), CSD_EMIT_NOTHING, struct csd_q1_state);

/* GROUPS or more: none. */
static inline __u32 q1_group_of(const struct csd_lineitem *line)
{
	__u32 flag = line->returnflag == 'A' ? 0 : line->returnflag == 'N' ? 2 : line->returnflag == 'R' ? 4 : GROUPS;

	return flag + (line->linestatus == 'O' ? 1 : line->linestatus == 'F' ? 0 : GROUPS);
}

/* All wraps, rather than overflows. */
static inline void q1_add(struct csd_q1_group *group, const struct csd_lineitem *line)
{
	__u64 price = line->extendedprice, discount = (__s64)line->discount, tax = (__s64)line->tax;
	__u64 discounted = price * (100 - discount), charge = discounted * (100 + tax);

	group->count++;
	group->quantity = (__u64)group->quantity + (__u64)(__s64)line->quantity;
	group->base_price = (__u64)group->base_price + price;
	group->discount = (__u64)group->discount + discount;
	group->discounted_price = (__u64)group->discounted_price + discounted;
	group->charge_low += charge;
	group->charge_high = (__u64)group->charge_high + (group->charge_low < charge) - (charge >> 63);
}

CSD_PROGRAM
int tpch_q1(const struct csd_lineitem *line)
{
	__s64 delta = csd_parameters.cparam1 == 0 ? DELTA : (__s64)csd_parameters.cparam1;
	__u32 group;

	if (delta < 0 || delta > LAST_DAY) {
		csd_state.error = CSD_PROGRAM_DATA_VALUE;
		return CSD_STOP;
	}
	csd_state.records++;
	if (line->shipdate > LAST_DAY - delta)
		return CSD_DROP;
	group = q1_group_of(line);
	if (group < GROUPS)
		q1_add(&csd_state.groups[group], line);
	else
		csd_state.unknown++;
	return CSD_DROP;
}
