/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Two maps that are kept, 8 bytes more than all of a program may take; what is not kept does not count. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

struct {
	__uint(type, 2);
	__uint(max_entries, 1 << 17);
	__type(key, __u32);
	__type(value, __u64);
} other CSD_SECTION(".maps");

struct {
	__uint(type, 2);
	__uint(map_flags, CSD_MAP_KEPT);
	__uint(max_entries, (1 << 17) - 1);
	__type(key, __u32);
	__type(value, __u64);
} first CSD_SECTION(".maps");

struct {
	__uint(type, 2);
	__uint(map_flags, CSD_MAP_KEPT);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} second CSD_SECTION(".maps");

CSD_PROGRAM
int map_kept(const __u64 *record)
{
	return bpf_map_lookup_elem(&first, record) != bpf_map_lookup_elem(&second, record) && bpf_map_lookup_elem(&other, record) != 0;
}
