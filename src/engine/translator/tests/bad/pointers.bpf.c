/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* An array of pointers: addresses that would have to be put into data. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

static const char *const names[] = {"one", "two", "three"};

CSD_PROGRAM
int pointers(const __u64 *record)
{
	return names[*record % 3][*record / 3 % 3] & 1;
}
