/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A program of a kind that is not there. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

CSD_SECTION("csd/stream")
int kind(const __u64 *record)
{
	return *record & 1;
}
