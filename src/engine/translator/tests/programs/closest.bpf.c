/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The nearest of wide vectors by a weighted distance: a function of its own, a table of constants. */
#include "csd_bpf.h"

#define DIMENSIONS	255

struct vector {
	__s64 name;
	__s32 at[DIMENSIONS];
	__u32 unused;
};

struct nearest_so_far {
	__u64 distance;
	__s64 name;
	__u64 compared;
};

CSD_RECORD_STATE(struct vector, sizeof(struct vector), CSD_EMIT_NOTHING, struct nearest_so_far);

static const __u32 weights[4] = {1, 3, 2, 5};

static __attribute__((noinline)) __u64
distance_to(const struct vector *vector, __s64 from)
{
	__u64 distance = 0;

	for (__u32 i = 0; i < DIMENSIONS; i++) {
		__s64 apart = vector->at[i] - from;

		if (apart < 0)
			apart = -apart;
		distance += weights[i % 4] * (__u64)apart;
	}
	return distance;
}

CSD_PROGRAM
int closest(const struct vector *vector)
{
	__u64 distance = distance_to(vector, (__s32)csd_parameters.cparam1);

	if (csd_state.compared == 0 || distance < csd_state.distance) {
		csd_state.distance = distance;
		csd_state.name = vector->name;
	}
	csd_state.compared++;
	return CSD_DROP;
}
