/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Two programs in a section. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

CSD_PROGRAM
int first(const __u64 *record)
{
	return *record & 1;
}

CSD_PROGRAM
int second(const __u64 *record)
{
	return *record & 2;
}
