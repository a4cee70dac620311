/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * LINEITEM of TPC-H (specification 3.0.1, section 1.4.1) as records of a fixed size, and what queries 1 and 6 over it give.
 * Decimals are integers: money in cents, quantity, discount and tax in hundredths. Dates are days since 1970-01-01. Text has
 * zeros behind it.
 *
 * Sums are as exact as the numbers. They stay within their words up to scale factor 1000 and beyond.
 */
#ifndef LINEITEM_H
#define LINEITEM_H

#include <linux/types.h>

struct csd_lineitem {
	__u64 orderkey;
	__u32 partkey;
	__u32 suppkey;
	__u32 linenumber;
	__s32 quantity;		/* 100 .. 5000 */
	__s64 extendedprice;
	__s32 discount;		/* 0 .. 10 */
	__s32 tax;		/* 0 .. 8 */
	__s32 shipdate;
	__s32 commitdate;
	__s32 receiptdate;
	__u8 returnflag;	/* 'A', 'N', 'R' */
	__u8 linestatus;	/* 'F', 'O' */
	__u8 shipinstruct[25];
	__u8 shipmode[10];
	__u8 comment[44];
	__u8 reserved[3];
};
_Static_assert(sizeof(struct csd_lineitem) == 136, "a record is 136 bytes");

/*
 * tpch_q6: "forecasting revenue change", section 2.4.6. What it looks for is program data; without them it is section 2.4.6.4's
 * validation: 1994, a discount of 0.05 to 0.07, fewer than 24.
 */
struct csd_q6 {
	__s32 shipdate_from;		/* included */
	__s32 shipdate_to;		/* excluded */
	__s32 discount_least;		/* included */
	__s32 discount_greatest;	/* included */
	__s32 quantity_below;		/* excluded */
	__u32 reserved;
};

struct csd_q6_state {
	__u64 error;		/* CSD_PROGRAM_DATA_SHORT, CSD_PROGRAM_DATA_VALUE */
	__u64 records;
	__u64 selected;
	__s64 revenue;		/* sum(extendedprice * discount), in 1/100 cent */
};

/*
 * tpch_q1: "pricing summary report", section 2.4.1. cparam1 is DELTA, the days before 1998-12-01 up to which it looks, 60 .. 120
 * in the specification; 0 counts as 90, of the validation. Averages are sums divided by counts: the host's work.
 */
struct csd_q1_group {
	__u64 count;
	__s64 quantity;			/* sum_qty, in hundredths */
	__s64 base_price;		/* sum_base_price, in cents */
	__s64 discount;			/* sum(discount), in hundredths: for avg_disc */
	__s64 discounted_price;		/* sum_disc_price, in 1/100 cent */
	__u64 charge_low;		/* sum_charge, in 1/10000 cent: a number of 128 bits, as 64 overflow at scale factor 170 */
	__s64 charge_high;
};

struct csd_q1_state {
	__u64 error;
	__u64 records;
	__u64 unknown;			/* records up to that day with another returnflag or linestatus */
	struct csd_q1_group groups[6];	/* AF, AO, NF, NO, RF, RO: as the query orders them; AO and RO are empty by the specification */
};

#endif
