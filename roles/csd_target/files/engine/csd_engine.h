/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Programs: verified and loaded, run over records in memory, unloaded. Plain memory in, plain results out: nothing of
 * SPDK is known here, so that it can be fuzzed alone and later run in another process; and nothing outside knows how a
 * program runs.
 */
#ifndef CSD_ENGINE_H
#define CSD_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSD_REASON_BYTES	256
#define CSD_MAX_PROGRAM_BYTES	(1024 * 1024)

struct csd_load_options {
	bool interpret;		/* never compile, though the CPU could */
	bool in_target;		/* not in a worker, though there are such */
	/* Geometry of a bare instruction stream, which has no place for it. Zeros: 64-byte records, 64 bytes of state. */
	uint32_t record_bytes;
	uint32_t stride_bytes;
	uint32_t state_bytes;
	uint32_t emit;
};

struct csd_program_info {
	const char *engine;	/* "librte_bpf jit", "librte_bpf interpreter" */
	const char *kind;	/* the ELF section: "csd/record" */
	bool jit;
	uint32_t record_bytes;
	uint32_t stride_bytes;
	uint32_t state_bytes;
	uint32_t emit;		/* enum csd_emit: 0 record, 1 offset, 2 nothing */
	uint32_t emit_bytes;	/* that one kept record takes in the output: record_bytes, 8 or 0 */
	uint32_t instructions;
	uint32_t jit_bytes;
	uint32_t longest_ns;	/* that one record may take, estimated from above: csd_cost.h */
};

struct csd_program;

/*
 * Verifies and loads an ELF or a bare instruction stream; `bytes` is not needed afterwards. Returns 0; or -EINVAL
 * (refused), -ENOMEM, with `reason` naming the instruction and why ("instruction 17: load of 8 bytes at offset 60 of
 * a record of 64"). Its work is bounded, but 0.2 s were seen: call it off a reactor. Thread-safe.
 */
int csd_program_load(const void *bytes, size_t length, const struct csd_load_options *options,
		     struct csd_program **program, char reason[CSD_REASON_BYTES]);

/* No instance of it may be left. */
void csd_program_unload(struct csd_program *program);

const struct csd_program_info *csd_program_info(const struct csd_program *program);

/*
 * One execution context of a program: its own state and parameters, used by one thread at a time. Different instances
 * of one program run at the same time on different threads. Creating one takes as long as a load (0.1 ms as a rule; 0.2 s was seen for 3000
 * instructions with many branches): keep them.
 */
struct csd_instance;

struct csd_instance *csd_instance_create(const struct csd_program *program);	/* NULL: no memory */
void csd_instance_destroy(struct csd_instance *instance);

struct csd_run_parameters {
	uint64_t cparam1;
	uint64_t cparam2;
	const void *data;
	uint32_t data_bytes;	/* at most CSD_DATA_BYTES; more is -EINVAL */
	const void *state;	/* state_bytes to begin with; NULL: zeros */
};

/* Begins a run: sets parameters and state. 0 or -EINVAL. */
int csd_instance_begin(struct csd_instance *instance, const struct csd_run_parameters *parameters);

/* The state as it stands, state_bytes long; valid until the next begin or destroy. */
const void *csd_instance_state(const struct csd_instance *instance);

enum csd_slice_end {
	CSD_SLICE_USED,		/* every record that lies wholly in the region was seen */
	CSD_SLICE_FULL,		/* the next kept record has no room in the output; it was NOT seen (state unchanged by it) */
	CSD_SLICE_STOPPED,	/* the program said stop */
};

struct csd_slice {
	/* in */
	const uint8_t *region;	/* begins with a record; any alignment */
	uint64_t region_bytes;
	uint64_t region_offset;	/* of the region's first byte in the whole input, for CSD_EMIT_OFFSET */
	uint8_t *out;
	uint64_t out_bytes;	/* room */
	bool last;		/* the region ends where the input does: a CSD_POSITIONS program also sees windows that end
				 * behind it, filled up with zeros. Set it on the last slice of every run. */
	/* out */
	uint64_t consumed;	/* region byte at which the first record begins that was not seen (a multiple of
				 * stride but for CSD_POSITIONS;
				 * with stride > record it may lie beyond the region's end) */
	uint64_t records;
	uint64_t matches;
	uint64_t emitted_bytes;
};

/*
 * Runs the program over the region's records. A record's start and all its record_bytes must lie in the region, else
 * it is not seen. A run over a long input is a sequence of slices, each region beginning where the last one ended
 * (region_offset + consumed). Room for an item is checked before the program sees a record: a program with
 * emit_bytes > 0 stops FULL when out has no room for one more item, although it might have dropped the record.
 *
 * Programs with CSD_POSITIONS (csd_bpf.h) say themselves where the next window begins after a match, so `consumed` need
 * not be a multiple of stride; in the last slice they see every window that begins in the region, and a whole region
 * that was used gives consumed = region_bytes.
 */
enum csd_slice_end csd_instance_run(struct csd_instance *instance, struct csd_slice *slice);

#endif
