/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What is computed over the data set: one of the shipped programs with parameters, and its result. */
#ifndef CSD_TASK_H
#define CSD_TASK_H

#include "csd_bpf.h"
#include "csd_error.h"
#include "csd_native.h"
#include "csd_record.h"

#define CSD_NO_LEVEL	UINT32_MAX

/* How the input may be cut into ranges that run apart. */
enum csd_split {
	CSD_SPLIT_FREE,		/* kept items in order are the result */
	CSD_SPLIT_MERGE,	/* the host merges the ranges' states, exactly */
	CSD_SPLIT_SEQUENCE,	/* the state goes from one record to the next */
};

struct csd_task {
	const struct csd_native *native;
	enum csd_split split;
	uint32_t overlap;		/* bytes behind a range that a match may reach into */
	uint64_t period_bytes;		/* CSD_SPLIT_SEQUENCE: ranges that are multiples of this begin with a zero state */
	uint32_t emit_bytes;		/* of one kept item */
	uint32_t level;			/* threshold: index into csd_selectivities; else CSD_NO_LEVEL */
	struct csd_parameters parameters;
	char text[96];			/* the parameters, for people */
	uint16_t slot;			/* PIND */
};

/* A result: what was kept, packed and in order, and the state. */
struct csd_output {
	uint8_t *data;
	uint64_t capacity;
	uint64_t bytes;
	uint64_t matches;
	uint8_t state[CSD_MAX_STATE_BYTES] __attribute__((aligned(8)));
	bool begun;			/* the state is one */
	/* What it took, told by the drive and seen at the host. */
	uint64_t scan_ns;		/* inside the program's loop */
	uint64_t commands;
	double copy_s, execute_s, read_s;	/* standard flow: sums over its commands */
};

/* The name of one of the six programs; `level` counts for threshold only. False: no such program. */
bool csd_task_init(struct csd_task *task, const char *name, uint32_t level, const struct csd_dataset *set);

/* The selectivity as a fraction; NULL where the program has none. */
const char *csd_task_selectivity(const struct csd_task *task);

void csd_output_reset(struct csd_output *output);

/*
 * Appends a range's kept items. Offsets count from the range's first byte, at `start` of the data set; those at or
 * behind `end` belong to the next range, which finds them too. The sources may be DMA memory.
 */
int csd_output_append(struct csd_output *output, const struct csd_task *task, uint64_t start, uint64_t end,
		      const uint8_t *items, uint64_t bytes, struct csd_error *err);

/* Takes a range's state in: merges it, or keeps the last one. Ranges come in order. */
void csd_output_state(struct csd_output *output, const struct csd_task *task, const void *state);

/* What matches_sha256 is taken over: the kept items, or the state of a program that keeps none. */
void csd_output_sha256(const struct csd_output *output, const struct csd_task *task, char hex[65]);

#endif
