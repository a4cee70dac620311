/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A map that is each CPU's own. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

struct {
	__uint(type, 1);
	__uint(max_entries, 4);
	__uint(map_flags, 1 << 1 | CSD_MAP_KEPT);
	__type(key, __u64);
	__type(value, __u64);
} map CSD_SECTION(".maps");

CSD_PROGRAM
int map_flags(const __u64 *record)
{
	return bpf_map_lookup_elem(&map, record) != 0;
}
