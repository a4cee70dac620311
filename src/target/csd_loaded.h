/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A program that was taken, with what is known of it. Counted, for workers' pools on several threads outlive its slot's interest. */
#ifndef CSD_LOADED_H
#define CSD_LOADED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "csd_blob.h"
#include "csd_kept.h"
#include "csd_memory.h"
#include "csd_proof.h"

#define CSD_SHA256_BYTES	32
#define CSD_LOADED_ENGINE	"worker"	/* as logs and RPC call what runs programs */

/* Of a bare instruction stream, which has no place for it. Zeros: 64-byte records, 64 bytes of state. */
struct csd_load_options {
	uint32_t record_bytes;
	uint32_t stride_bytes;
	uint32_t state_bytes;
	uint32_t emit;
};

struct csd_program_info {
	const char *kind;	/* the ELF section: "csd/record" */
	uint32_t record_bytes;
	uint32_t stride_bytes;
	uint32_t state_bytes;
	uint32_t emit;		/* enum csd_emit: 0 record, 1 offset, 2 nothing */
	uint32_t emit_bytes;	/* that one kept record takes in the output: record_bytes, 8 or 0 */
	uint32_t instructions;
	uint32_t code_bytes;
	uint32_t kept_bytes;	/* of maps that outlive a run */
};

struct csd_loaded {
	uint32_t references;
	bool retired;			/* no slot has it any more: workers that wait for its next run are to go */
	struct csd_program_info info;
	struct csd_memory *blob;
	struct csd_blob_header header;
	struct csd_object *object;	/* its functions, for whoever looks for a place in it */
	struct csd_kept *kept;		/* what its maps keep; NULL: it has no such map */
	struct csd_proof proof;
	struct csd_load_options options;
	uint8_t *bytes;			/* as loaded, for the saved configuration */
	uint32_t length;
	uint8_t sha256[CSD_SHA256_BYTES];
};

/*
 * Checks, verifies and compiles; takes over `bytes` (of malloc) in any case. NULL: refused, or no memory, and `reason` says
 * why. May take as long as a compiler may: not on a reactor. *cancelled becomes true: a compiler is ended.
 */
struct csd_loaded *csd_loaded_create(uint8_t *bytes, uint32_t length, const struct csd_load_options *options,
				     const bool *cancelled, char reason[CSD_REASON_BYTES]);

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
