/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* CO-RE: a field whose place the kernel that runs it would say. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

struct task {
	__u64 first;
	__u64 second;
} __attribute__((preserve_access_index));

CSD_PROGRAM
int core(const struct task *record)
{
	return record->second & 1;
}
