/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Runs of a translated program over an input, whole and cut by chance into parts with little room for output, beside a
 * reference that sees the input as a whole. Output and state must be the same, byte by byte.
 */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "csd_bpf.h"

/* A command: what the host gives. */
struct job {
	uint64_t cparam1, cparam2;
	const void *data;
	uint64_t data_bytes;
	const uint8_t *input;
	uint64_t bytes;
	const uint8_t *range;		/* NULL: none */
	uint64_t range_bytes;
};

/* What comes back. */
struct result {
	uint8_t *out;
	uint64_t emitted, room;
	uint8_t state[CSD_MAX_STATE_BYTES];
};

void result_append(struct result *result, const void *bytes, uint64_t count);

/* Written from csd_programs.h, not from the program. `wanted` is empty. */
typedef void (*reference)(const struct job *job, struct result *wanted);

struct program {
	const char *name;
	reference reference;		/* NULL: what the first way gives at once, the others give, too */
	uint32_t state_bytes;
	uint64_t most_part;		/* bytes that it may need to go on */
	uint64_t item_bytes;		/* about what it emits at once */
	uint64_t most_rest;		/* bytes that it may leave at the end: of a record that is not whole, csd/record */
};

/* Of main(): FOLDER WAY..., the libraries are FOLDER/WAY/NAME.so. */
void run_begin(int argc, char **argv);

/* Each way: at once, and `cuts` times in parts. Leaves what came out in `result`, if it is not NULL: free result->out. */
void run_check(const struct program *program, const struct job *job, uint32_t cuts, const char *what, struct result *result);

/* The same for text, written out. */
void run_check_text(const struct program *program, struct job job, const char *text, const char *wanted, const char *what,
		    struct result *result);

/* BUFFER_SEED of the environment: what else chance decides. */
uint64_t run_seed(void);

/* Of main(): says how much was done. */
int run_end(const char *name);

#endif
