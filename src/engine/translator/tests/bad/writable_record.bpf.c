/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A program that sees records, not ranges. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);
CSD_WRITABLE(CSD_RANGE(0));

CSD_PROGRAM
int writable_record(const __u64 *record)
{
	return *record & 1;
}
