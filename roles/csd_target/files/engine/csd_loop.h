/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The loop over records in machine code, around a compiled program. Calling the program for every record through a
 * pointer costs as much as a small program does itself (a call site that has seen several programs is predicted more
 * slowly); here the program's code stands inside the loop.
 */
#ifndef CSD_LOOP_H
#define CSD_LOOP_H

#include "csd_code.h"

/* In and out. The loop ends with left = 0, or behind a record at which the program said stop. */
struct csd_loop_cursor {
	const uint8_t *record;
	uint64_t left;		/* records, at least one */
	uint8_t *out;		/* has room for all that are left */
	uint64_t matches;
	uint64_t verdict;	/* of the last record */
};

struct csd_loop {
	void (*run)(struct csd_loop_cursor *cursor);	/* NULL: not for this CPU, or not for this geometry */
	void *memory;
	size_t bytes;
};

/*
 * `program` is what librte_bpf compiled `code` to: position-independent but for the addresses of its variables, keeping
 * the registers that a function keeps. Leaves loop->run NULL where it cannot help; the program is then called.
 */
void csd_loop_make(struct csd_loop *loop, const struct csd_code *code, const void *program, size_t program_bytes,
		   uint32_t prefetch_bytes);
void csd_loop_free(struct csd_loop *loop);

#endif
