/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Writes into the stored data. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

CSD_PROGRAM
int program(__u64 *record)
{
	*record = 0;
	return CSD_KEEP;
}
