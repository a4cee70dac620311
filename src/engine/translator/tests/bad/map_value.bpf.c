/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A value without a size. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

struct {
	__uint(type, 1);
	__uint(max_entries, 4);
	__type(key, __u64);
	void *value;
} map CSD_SECTION(".maps");

CSD_PROGRAM
int map_value(const __u64 *record)
{
	return bpf_map_lookup_elem(&map, record) != 0;
}
