/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The control of the engine's cost: a program's own eBPF source, compiled natively, in the engine's loop. */
#ifndef CSD_CONTROL_H
#define CSD_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "csd_bpf.h"

#define CSD_CONTROL_PREFETCH	1024	/* bytes ahead of the record at hand, as the engine does */

typedef int (*csd_control_program)(const void *record);

struct csd_control {
	const char *name;
	const struct csd_geometry *geometry;
	csd_control_program program;
	/*
	 * The loop with the program inside it, as the compiler likes it best. Returns the matches. NULL: CSD_POSITIONS.
	 */
	uint64_t (*inlined)(const uint8_t *record, uint64_t records, uint8_t *out);
};

/* NULL: there is none of this name. */
const struct csd_control *csd_control_find(const char *name);

/* What every control reads and writes, under the names that programs know it by. */
extern struct csd_parameters csd_control_parameters __asm__("csd_parameters");
extern uint64_t csd_control_state[CSD_MAX_STATE_BYTES / 8] __asm__("csd_state");

/* The engine's loop over records: out has room for all of them. */
static inline __attribute__((always_inline)) uint64_t
csd_control_loop(csd_control_program program, const uint8_t *record, uint64_t records, uint8_t *out,
		 uint32_t record_bytes, uint32_t stride_bytes, uint32_t emit)
{
	uint64_t matches = 0;

	for (; records > 0; records--) {
		int verdict;

		__builtin_prefetch(record + CSD_CONTROL_PREFETCH);
		verdict = program(record);
		if (verdict & CSD_KEEP) {
			matches++;
			if (emit == CSD_EMIT_RECORD) {
				memcpy(out, record, record_bytes);
				out += record_bytes;
			}
		}
		record += stride_bytes;
		if (__builtin_expect(verdict & CSD_STOP, 0)) {
			break;
		}
	}
	return matches;
}

#endif
