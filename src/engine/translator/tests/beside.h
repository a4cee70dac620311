/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The call that a natively compiled program is in, for beside.c: csd_beside in its library. */
#ifndef BESIDE_H
#define BESIDE_H

#include <stdint.h>

struct beside {
	uint8_t *out;
	uint64_t room, emitted, items, full, now;
	uint8_t *trace;
	uint64_t trace_bytes, traced;
};

extern struct beside csd_beside;

/* A map that a program declares; the last has no address. */
struct beside_map {
	void *address;
	uint32_t type, key_bytes, value_bytes, entries;
};

extern const struct beside_map csd_beside_maps[];

#endif
