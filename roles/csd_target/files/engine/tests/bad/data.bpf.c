/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Has a variable of its own. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

__u64 seen;

CSD_PROGRAM
int program(const __u64 *record)
{
	seen += *record;
	return CSD_DROP;
}
