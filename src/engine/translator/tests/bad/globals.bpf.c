/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Globals that are too large. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

__u8 large[16 * 1024 * 1024];
__u8 more[64];

CSD_PROGRAM
int globals(const __u64 *record)
{
	large[*record & 0xffffff] = more[*record & 63]++;
	return CSD_DROP;
}
