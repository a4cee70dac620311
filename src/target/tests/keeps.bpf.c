/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Counts its runs in an array that is kept and in one that is not, and the bytes of its input by their values in a hash that is
 * kept. With cparam1 it faults then.
 */
#include "csd_bpf.h"

struct keeps {
	__u64 runs, here, found, begun;
};

CSD_STATE(struct keeps);

struct {
	__uint(type, 2);
	__uint(max_entries, 1);
	__uint(map_flags, CSD_MAP_KEPT);
	__type(key, __u32);
	__type(value, __u64);
} runs CSD_SECTION(".maps");

struct {
	__uint(type, 2);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} here CSD_SECTION(".maps");

struct {
	__uint(type, 1);
	__uint(max_entries, 256);
	__uint(map_flags, CSD_MAP_KEPT);
	__type(key, __u64);
	__type(value, __u64);
} by_value CSD_SECTION(".maps");

static volatile __u64 begun = 7;	/* data that the blob gives; a variable that is not kept */

static __u64
count(void *map)
{
	__u32 first = 0;
	__u64 *number = bpf_map_lookup_elem(map, &first);

	return number != 0 ? ++*number : 0;
}

CSD_BUFFER_PROGRAM
int keeps(struct csd_context *context)
{
	__u64 none = 0, value, *number;

	csd_state.runs = count(&runs);
	csd_state.here = count(&here);
	csd_state.begun = begun++;
	for (const __u8 *at = context->begin; at < context->end; at++) {
		value = *at;
		bpf_map_update_elem(&by_value, &value, &none, 1);
		number = bpf_map_lookup_elem(&by_value, &value);
		if (number != 0)
			csd_state.found = ++*number;
	}
	if (csd_parameters.cparam1 > 0)
		csd_state.found = *(volatile __u64 *)0x123456789000ULL;
	return 0;
}
