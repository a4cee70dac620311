/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* All that a csd/buffer program is given; test_buffers.c looks at the state. */
#include "context.h"

CSD_STATE(struct seen) = {.begun = 9};
CSD_WRITABLE(CSD_RANGE(0) | CSD_RANGE(1));

static __u64 calls = 100;
static __u64 bytes;

CSD_BUFFER_PROGRAM
int context(struct csd_context *given)
{
	__u64 sum = 0;

	bytes += given->end - given->begin;
	csd_state.calls = ++calls;
	csd_state.bytes = bytes;
	csd_state.offset = given->offset;
	csd_state.flags = given->flags;
	csd_state.consumed = given->consumed;
	for (__u64 i = 0; i < given->range_count; i++) {
		for (__u64 k = 0; k < given->ranges[i].bytes; k++) {
			sum = sum * 31 + given->ranges[i].begin[k];
			given->ranges[i].begin[k] ^= 0xff;
		}
	}
	csd_state.ranges = sum;
	sum = 0;
	for (__u64 i = 0; i < given->data_bytes; i++)
		sum = sum * 31 + given->data[i];
	csd_state.data = sum;
	csd_state.now = bpf_ktime_get_ns();
	given->consumed += csd_parameters.cparam2;
	return csd_parameters.cparam1;
}
