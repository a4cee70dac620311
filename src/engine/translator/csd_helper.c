/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <string.h>

#include "csd_helper.h"

static const struct csd_helper helpers[] = {
	{1, "bpf_map_lookup_elem", "lookup", 2, true},
	{2, "bpf_map_update_elem", "update", 4, true},
	{3, "bpf_map_delete_elem", "delete", 2, true},
	{5, "bpf_ktime_get_ns", "csd_ktime_get_ns", 0, false},
	{6, "bpf_trace_printk", "csd_trace_printk", 5, false},
	{CSD_HELPER_EACH, "bpf_for_each_map_elem", "each", 4, true},
	{177, "bpf_trace_vprintk", "csd_trace_vprintk", 4, false},
	{CSD_HELPER_LOOP, "bpf_loop", "loop", 4, true},
	{182, "bpf_strncmp", "csd_strncmp", 3, false},
	{0x10000, "memcmp", "csd_memcmp", 3, false},
	{0x10001, "memcpy", "csd_memcpy", 3, false},
	{0x10002, "memmove", "csd_memmove", 3, false},
	{0x10003, "memset", "csd_memset", 3, false},
	{CSD_HELPER_EMIT, "csd_emit", "csd_emit", 2, false},
};

#define HELPERS	(sizeof(helpers) / sizeof(helpers[0]))

const struct csd_helper *
csd_helper_numbered(int32_t number)
{
	for (size_t i = 0; i < HELPERS; i++) {
		if (helpers[i].number == number) {
			return &helpers[i];
		}
	}
	return NULL;
}

const struct csd_helper *
csd_helper_named(const char *name)
{
	for (size_t i = 0; i < HELPERS; i++) {
		if (strcmp(helpers[i].name, name) == 0) {
			return &helpers[i];
		}
	}
	return NULL;
}
