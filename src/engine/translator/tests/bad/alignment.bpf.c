/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Globals with an alignment that the drive does not give. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

static __attribute__((aligned(4096))) __u8 page[4096];

CSD_PROGRAM
int alignment(const __u64 *record)
{
	return page[*record & 4095]++ & 1;
}
