/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Runs of a program over an input that is cut into parts, each with room for some output: the translated one through its
 * csd_ID_call(), and the same source natively in a loop that is written here from csd_call.h and csd_bpf.h, one record at a
 * time. After each part both must say the same.
 */
#ifndef PARTS_H
#define PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "beside.h"
#include "csd_bpf.h"
#include "csd_call.h"

struct parts_side {
	uint64_t (*function)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);	/* native */
	void (*call)(struct csd_call *call);					/* translated */
	struct csd_parameters *parameters;
	void *state;
};

struct parts {
	const char *name;		/* of what is tested, for messages */
	struct parts_side translated, native;
	struct beside *beside;		/* of the native one */
	const struct csd_geometry *geometry;	/* NULL: csd/buffer */
	const struct csd_parameters *parameters;
	uint32_t state_bytes;
	const uint8_t *input;
	uint64_t bytes;
	uint64_t most_out;		/* that the program itself may emit in a run; 0: it does not */
	bool keeps_more;		/* than its state, from run to run: another run gives something else */
};

/* A shared object, and what it has by a name; what is not there ends the test. */
void *parts_open(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *parts_symbol(void *library, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A program's two sides in such objects: translated with this ID; native, by its name, with what is beside it. */
void parts_set_translated(struct parts *parts, void *library, uint32_t id);
void parts_set_native(struct parts *parts, void *library, const char *name);

/* One call by the native program: what csd_ID_call() must do. */
void parts_reference(const struct parts *parts, struct csd_call *call);

/* Parameters and state as at the begin of a run. */
void parts_begin(const struct parts *parts, const struct parts_side *side);

/*
 * A run in one part, and one cut by chance, which follows from the seed. What comes out altogether and the last state must be
 * the same, too. Returns how many parts there were.
 */
uint64_t parts_compare(const struct parts *parts, uint64_t seed);

#endif
