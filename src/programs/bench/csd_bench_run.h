/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The ways through the same input: by a program's code, by the plain C of csd_native.c, and by only reading it. */
#ifndef CSD_BENCH_RUN_H
#define CSD_BENCH_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "csd_bench_code.h"
#include "csd_native.h"
#include "jobs.h"

/* As csd_tgt hands them to a worker (target/csd_workers.h): a part of shared memory, and room for output. */
#define CSD_BENCH_PART	(4u << 20)
#define CSD_BENCH_ROOM	(256u << 10)

/* Output of csd_native.c: a search gives 8 bytes for each byte of a slice and its overlap. */
#define CSD_BENCH_SLICE	(256u << 10)
#define CSD_BENCH_OUT	(9u * CSD_BENCH_SLICE)

/* What a run found: the same whichever way. Compared byte by byte, so it has no holes. */
struct csd_bench_found {
	uint64_t matches;
	uint64_t emitted_bytes;
	uint64_t digest;	/* of what was emitted, in order; only where one was asked for */
	uint8_t state[CSD_MAX_STATE_BYTES];
};

/* All of job->input, part by part. `out` has room for CSD_BENCH_OUT. Seconds of this thread's CPU. */
double csd_bench_run(const struct csd_bench_code *code, uint64_t state_bytes, const struct job *job, uint8_t *out,
		     bool digest, struct csd_bench_found *found);

double csd_bench_reference(const struct csd_native *native, const struct job *job, uint8_t *out, bool digest,
			   struct csd_bench_found *found);

/* Every word of the bytes, or one word of each cache line, summed. Seconds. */
double csd_bench_read_words(const uint8_t *bytes, uint64_t length);
double csd_bench_read_lines(const uint8_t *bytes, uint64_t length);

#endif
