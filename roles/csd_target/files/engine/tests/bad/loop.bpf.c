/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Loops as often as the record says. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

CSD_PROGRAM
int program(const __u64 *record)
{
	__u64 left = *record, bits = 0;

	while (left) {
		bits ^= left;
		left >>= bits & 1;
	}
	return bits;
}
