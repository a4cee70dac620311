/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The shipped programs of the second engine, for who runs them: what each wants as program data, and what it leaves as
 * state. All numbers are little endian. Program data is the struct, and directly behind it what the struct announces.
 *
 * Each state begins with `error`. If it is not 0 the program looked at no input, and the run was stopped. Reserved fields are
 * zero. Numbers in states wrap.
 */
#ifndef CSD_PROGRAMS_H
#define CSD_PROGRAMS_H

#include <linux/types.h>

enum csd_program_error {
	CSD_PROGRAM_DATA_SHORT = 1,	/* fewer bytes of program data than they announce */
	CSD_PROGRAM_DATA_VALUE = 2,	/* a field, or cparam1, cparam2, is not what it may be */
	CSD_PROGRAM_RANGE = 3,		/* a memory range is missing, or too short */
};

/* Numbers in records: their width is 1 << (type & 3) bytes. */
enum csd_integer {
	CSD_U8, CSD_U16, CSD_U32, CSD_U64, CSD_S8, CSD_S16, CSD_S32, CSD_S64,
	CSD_INTEGERS,
};

/*
 * Records of a fixed size. The record and each of its fields may lie at any address. What is left behind the last whole
 * record of the input is counted in bytes and not looked at.
 */
#define CSD_MOST_STRIDE	65536

/* --- count_range: how many records have a number from cparam1 to cparam2, both included --- */

/* cparam1 and cparam2 are signed if the type is. Without data: the input is CSD_S64, one directly behind the other. */
struct csd_count_range {
	__u32 stride_bytes;	/* from one record to the next: 1 .. CSD_MOST_STRIDE */
	__u32 offset;		/* of the number in the record, which it does not leave */
	__u32 type;		/* enum csd_integer */
	__u32 reserved;
};

struct csd_count_range_state {
	__u64 error;
	__u64 records;
	__u64 in_range;
	__u64 rest_bytes;
};

#endif
