/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Programs made of chance that keep to their memory and end: arithmetic of all kinds, loads and stores of all widths in
 * the buffer, the frame, a caller's frame, globals and constants, atomics, conditions, loops, loops over memory, calls.
 */
#ifndef GENERATE_H
#define GENERATE_H

#include "batch.h"

#define GENERATE_INSNS		1024
#define GENERATE_FUNCTIONS	4
#define GENERATE_GLOBALS	128
#define GENERATE_CONSTANTS	64

struct generated {
	struct csd_insn insns[GENERATE_INSNS];
	uint8_t area[GENERATE_INSNS];
	uint32_t count;
	uint32_t begins[GENERATE_FUNCTIONS];
	uint32_t functions;
	uint32_t calls[GENERATE_INSNS];		/* instructions that call, */
	uint32_t called[GENERATE_INSNS];	/* and which function */
	uint32_t call_count;
};

/* All of it follows from the two numbers. r1 of the program is a buffer of BATCH_BUFFER bytes, r2 to r5 are numbers. */
void generate(struct generated *program, uint64_t seed, uint64_t number);

#endif
