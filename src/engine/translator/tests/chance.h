/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Chance that can be had again: all follows from a seed and a number. */
#ifndef CHANCE_H
#define CHANCE_H

#include <stdint.h>

static uint64_t chance_state;

static inline uint64_t
chance(void)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 7;
	chance_state ^= chance_state << 17;
	return chance_state * 0x2545f4914f6cdd1dULL >> 11;
}

static inline void
chance_begin(uint64_t seed, uint64_t number)
{
	chance_state = (seed * 0x9e3779b97f4a7c15ULL + number + 1) * 0xbf58476d1ce4e5b9ULL | 1;
	chance();
	chance();
}

static inline uint64_t
below(uint64_t limit)
{
	return chance() % limit;
}

/* Numbers at which things go wrong, and others. */
static inline uint64_t
chance_number(void)
{
	static const uint64_t edges[] = {
		0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 32767, 32768, 65535, 65536, INT32_MAX, 1ULL << 31,
		UINT32_MAX, 1ULL << 32, INT64_MAX, 1ULL << 63,
	};

	switch (below(4)) {
	case 0: return edges[below(sizeof(edges) / sizeof(edges[0]))];
	case 1: return -edges[below(sizeof(edges) / sizeof(edges[0]))];
	case 2: return below(100);
	default: return (chance() << 32 ^ chance()) >> below(64);
	}
}

#endif
