/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The ways in which csd_engine_bench goes through its data: by the engine, natively, and as a plain read of memory. */
#ifndef CSD_WAYS_H
#define CSD_WAYS_H

#include "csd_control.h"
#include "csd_engine.h"
#include "csd_native.h"

/* Data are gone through in slices, each into the same output buffer, as the target does. */
struct csd_input {
	const uint8_t *bytes;
	uint64_t length;
	uint64_t slice_bytes;
	uint8_t *out;		/* with room for every item of a slice */
	uint64_t out_bytes;
};

/* What a run found. Equal for all ways through the same data with the same program and parameters. */
struct csd_outcome {
	uint64_t matches;
	uint64_t emitted_bytes;
	uint64_t digest;	/* of the emitted bytes and the state; only where one was asked for */
};

void csd_way_engine(struct csd_instance *instance, uint32_t state_bytes, const struct csd_run_parameters *parameters,
		    const struct csd_input *input, bool digest, struct csd_outcome *outcome);

/* The program's source compiled natively, called for each record; or `inlined` in the loop (not for CSD_POSITIONS). */
void csd_way_control(const struct csd_control *control, bool inlined, const struct csd_run_parameters *parameters,
		     const struct csd_input *input, bool digest, struct csd_outcome *outcome);

void csd_way_reference(const struct csd_native *native, const struct csd_run_parameters *parameters,
		       const struct csd_input *input, bool digest, struct csd_outcome *outcome);

/* Reads all bytes once, without doing anything with them but a sum; and one word of each cache line. */
uint64_t csd_way_read_words(const struct csd_input *input);
uint64_t csd_way_read_lines(const struct csd_input *input);

#endif
