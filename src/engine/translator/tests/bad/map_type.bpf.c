/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A map of a type that a drive has not. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

struct {
	__uint(type, 6);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} map CSD_SECTION(".maps");

CSD_PROGRAM
int map_type(const __u64 *record)
{
	return bpf_map_lookup_elem(&map, record) != 0;
}
