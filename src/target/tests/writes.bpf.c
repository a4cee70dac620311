/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Counts the bytes of its input by their values in range 1, which it may write to. With cparam1 it writes into range
 * cparam1 - 1, at byte cparam2, besides.
 */
#include "csd_bpf.h"

CSD_STATE(__u64);
CSD_WRITABLE(CSD_RANGE(1));

CSD_BUFFER_PROGRAM
int writes(struct csd_context *context)
{
	__u64 *counts = (__u64 *)context->ranges[1].begin;

	for (const __u8 *at = context->begin; at < context->end; at++)
		counts[*at]++;
	if (csd_parameters.cparam1 > 0)
		*(volatile __u8 *)(context->ranges[csd_parameters.cparam1 - 1].begin + csd_parameters.cparam2) = 1;
	csd_state = context->range_count;
	return 0;
}
