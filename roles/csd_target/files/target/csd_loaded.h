/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A program that was taken, with what is known of it. Counted, for instances on several threads outlive its slot's interest. */
#ifndef CSD_LOADED_H
#define CSD_LOADED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "csd_blob.h"
#include "csd_engine.h"
#include "csd_memory.h"
#include "csd_proof.h"

#define CSD_SHA256_BYTES	32

struct csd_loaded {
	uint32_t references;
	bool retired;			/* no slot has it any more: idle instances of it are to go */
	const struct csd_program_info *info;
	struct csd_program *program;	/* runs in this process; NULL: */
	struct csd_memory *blob;	/* in workers */
	struct csd_blob_header header;
	struct csd_program_info worker_info;
	struct csd_object *object;	/* its functions, for whoever looks for a place in it */
	struct csd_proof proof;
	struct csd_load_options options;
	uint8_t *bytes;			/* as loaded, for the saved configuration */
	uint32_t length;
	uint8_t sha256[CSD_SHA256_BYTES];
};

/* Whether it is compiled for workers. */
bool csd_loaded_compiles(const uint8_t *bytes, uint32_t length, const struct csd_load_options *options);

/*
 * Verifies, and compiles for workers; takes over `bytes` (of malloc) in any case. NULL: refused, or no memory, and `reason`
 * says why. May take 0.2 s, or as long as a compiler may: not on a reactor. *unwanted becomes true: a compiler is ended.
 */
struct csd_loaded *csd_loaded_create(uint8_t *bytes, uint32_t length, const struct csd_load_options *options,
				     const bool *unwanted, char reason[CSD_REASON_BYTES]);

/*
 * In words, for a log: "instruction 12 of csd/record, in above: above.bpf.c:16: return reading->value > limit". An
 * instruction below 0 is none that is known.
 */
#define CSD_PLACE_BYTES	320
void csd_loaded_place(const struct csd_loaded *loaded, int64_t instruction, char place[CSD_PLACE_BYTES]);

struct csd_loaded *csd_loaded_get(struct csd_loaded *loaded);
void csd_loaded_put(struct csd_loaded *loaded);		/* NULL is fine */

/* Its slot lets go of it. */
void csd_loaded_retire(struct csd_loaded *loaded);
bool csd_loaded_is_retired(const struct csd_loaded *loaded);

#endif
