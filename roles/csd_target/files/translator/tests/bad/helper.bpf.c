/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A helper of Linux. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

static __u64 (*ktime_get_ns)(void) = (void *)5;

CSD_PROGRAM
int helper(const __u64 *record)
{
	return *record > ktime_get_ns();
}
