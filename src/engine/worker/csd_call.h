/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What a worker hands to a compiled program, and what it gets back: a part of the input, room for output, and how it
 * ended. Addresses are those of the worker. The loop over records, or the call of a buffer program, is compiled into the
 * program (csd_emit_records.c, csd_emit_buffer.c): its one way in is
 *	void csd_ID_call(struct csd_call *call);
 */
#ifndef CSD_CALL_H
#define CSD_CALL_H

#include <stdint.h>

enum csd_call_end {
	CSD_CALL_USED = 0,	/* all of the input that could be used was */
	CSD_CALL_FULL = 1,	/* the next item has no room in the output */
	CSD_CALL_STOPPED = 2,	/* the program said stop */
};

#define CSD_CALL_FIRST	0x1	/* of its run */
#define CSD_CALL_LAST	0x2	/* the input ends with this part */

struct csd_call_range {
	uint64_t address;
	uint64_t bytes;
};

struct csd_call {
	/* in */
	uint64_t input;
	uint64_t input_bytes;
	uint64_t input_offset;	/* of the part's first byte in the whole input */
	uint64_t out;
	uint64_t out_bytes;	/* room */
	uint64_t flags;
	uint64_t data;		/* program data, given with the command */
	uint64_t data_bytes;
	uint64_t ranges;	/* address of struct csd_call_range[range_count]: csd/buffer */
	uint64_t range_count;
	/* out */
	uint64_t consumed;	/* of the input: where the next part begins */
	uint64_t records;
	uint64_t matches;
	uint64_t emitted;	/* bytes */
	uint64_t end;		/* enum csd_call_end */
	/* in */
	uint64_t now;		/* CLOCK_MONOTONIC in nanoseconds, for bpf_ktime_get_ns() */
	uint64_t trace;		/* where bpf_printk()'s lines go: there at once, so that they outlive a fault */
	uint64_t trace_bytes;	/* room; 0: they go nowhere */
	/* out */
	uint64_t traced;	/* bytes of lines; above trace_bytes: what went beyond it is lost */
};

#endif
