/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A variable that is nowhere. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

extern __u64 nobody;

CSD_PROGRAM
int variable(const __u64 *record)
{
	return *record == nobody;
}
