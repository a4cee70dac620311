/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * A program that csd_program_bench runs: as the blob that csd_compile made of it, where a worker has it, or as a library
 * that the native compiler made of the same source (buffer/native.c). Both are called alike, by csd_call.h.
 */
#ifndef CSD_BENCH_CODE_H
#define CSD_BENCH_CODE_H

#include <stddef.h>
#include <stdint.h>

#include "csd_bpf.h"
#include "csd_call.h"

struct csd_bench_code {
	void (*entry)(struct csd_call *call);
	struct csd_parameters *parameters;	/* NULL: it looks at none */
	const uint8_t *state;
	uint64_t state_bytes;	/* of a library; a blob does not say */
	uint8_t *data;		/* all that the program can write, and how that is at the begin of a run */
	size_t data_bytes;
	const uint8_t *first;
	size_t first_bytes;	/* the rest are zeros */
	/* of a blob */
	void *code;
	size_t code_bytes;
	/* of a library */
	void *library;
};

/* There can be one at a time: each lies at the same address. Fails the bench where the file is no blob. */
void csd_bench_blob_open(const char *path, struct csd_bench_code *code);
void csd_bench_blob_close(struct csd_bench_code *code);

void csd_bench_library_open(const char *path, struct csd_bench_code *code);
void csd_bench_library_close(struct csd_bench_code *code);

/* As a worker begins a run: the program's data as they were compiled, and these parameters. */
void csd_bench_begin(const struct csd_bench_code *code, uint64_t cparam1, uint64_t cparam2, const void *data,
		     uint64_t data_bytes);

#endif
