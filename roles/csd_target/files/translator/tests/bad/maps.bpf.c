/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A map. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

static struct {
	int (*type)[2];
	int (*max_entries)[16];
} map CSD_SECTION(".maps");

CSD_PROGRAM
int maps(const __u64 *record)
{
	return *record & 1;
}
