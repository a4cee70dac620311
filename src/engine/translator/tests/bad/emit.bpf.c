/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A program that emits, while the drive emits its records. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

CSD_PROGRAM
int emit(const __u64 *record)
{
	return csd_emit(record, sizeof(*record)) == 0;
}
