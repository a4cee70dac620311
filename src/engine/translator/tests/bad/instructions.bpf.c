/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* More instructions than a program may have. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

CSD_PROGRAM
int instructions(const __u64 *record)
{
	__asm__ volatile(".rept 65536\nr0 = 0\n.endr");
	return *record & 1;
}
