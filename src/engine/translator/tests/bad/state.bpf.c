/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The state of the other kind. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);
CSD_STATE(__u64);

CSD_PROGRAM
int state(const __u64 *record)
{
	return *record > csd_state;
}
