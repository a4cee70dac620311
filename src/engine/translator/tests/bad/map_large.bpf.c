/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* More entries than there is memory for. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

struct {
	__uint(type, 1);
	__uint(max_entries, 1 << 20);
	__type(key, __u64);
	__type(value, __u64);
} map CSD_SECTION(".maps");

CSD_PROGRAM
int map_large(const __u64 *record)
{
	return bpf_map_lookup_elem(&map, record) != 0;
}
