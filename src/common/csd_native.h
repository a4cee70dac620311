/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The shipped programs in plain C, written for themselves and not from the eBPF sources: what a program in the drive
 * gives is compared with what these give, and a baseline on the host runs these.
 */
#ifndef CSD_NATIVE_H
#define CSD_NATIVE_H

#include <stddef.h>
#include <stdint.h>

#include "csd_bpf.h"

/* The states as programs leave them; top's is found, then the record. */
struct csd_aggregate_state {
	uint64_t count;
	int64_t sum;
	int32_t minimum;
	int32_t maximum;
};

struct csd_histogram_state {
	uint64_t bins[64];
};

/* cparam1 of histogram: bin 0 begins at `start`, a bin is 2^width wide. */
#define CSD_HISTOGRAM(start, width)	((uint64_t)(uint32_t)(int32_t)(start) | (uint64_t)((width) & 63) << 32)

struct csd_sample_state {
	uint64_t skip;
};

struct csd_top_state {
	uint64_t found;
	uint8_t record[64];
};

#define CSD_SEARCH_MAX_PATTERN	16

struct csd_native {
	const char *name;
	uint32_t record_bytes;
	uint32_t stride_bytes;
	uint32_t state_bytes;
	uint32_t emit;		/* enum csd_emit */
	/*
	 * Runs over the whole input. `state` is read and written (zeros to begin with); 8-byte aligned. Kept items are
	 * packed at `out`, which has room for every one: for each whole record a record, or for search 8 bytes for each
	 * byte of input. Only `cparam1`, `cparam2`, `data_bytes` and `data` of the parameters are read. Returns the matches.
	 */
	uint64_t (*run)(const uint8_t *input, uint64_t bytes, const struct csd_parameters *parameters, void *state,
			uint8_t *out, uint64_t *out_bytes);
};

/* NULL: there is none of this name. */
const struct csd_native *csd_native_find(const char *name);

/* All of them, ending with a NULL name. */
extern const struct csd_native csd_natives[];

/*
 * An input that is gone through piece by piece: each piece but the last is run together with this many bytes of the next
 * piece, and then the results are those of the whole (offsets begin at each piece). 0 for programs whose records do
 * not overlap; their pieces are whole records.
 */
uint64_t csd_native_overlap(const struct csd_native *native, const struct csd_parameters *parameters);

#endif
