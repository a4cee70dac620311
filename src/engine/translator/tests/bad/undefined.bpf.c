/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A function that is nowhere. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

extern int elsewhere(const __u64 *record);

CSD_PROGRAM
int undefined(const __u64 *record)
{
	return elsewhere(record);
}
