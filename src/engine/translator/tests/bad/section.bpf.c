/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Code in a third section. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

static __attribute__((noinline, section("apart"))) int
odd(const __u64 *record)
{
	return *record & 1;
}

CSD_PROGRAM
int section(const __u64 *record)
{
	return odd(record);
}
