/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * A program's own source, compiled natively as well as it can be, for csd_buffer_bench: PROGRAM is its name, PROGRAM_SOURCE
 * its file, PROGRAM_RECORD says that it is of kind csd/record. The library is called as a translated one is (csd_call.h).
 */
#define csd_parameters	csd_0_parameters
#include PROGRAM_SOURCE
#include <string.h>

#include "csd_call.h"

struct csd_parameters native_parameters __asm__("csd_0_parameters");

#ifdef PROGRAM_RECORD
__typeof__(csd_state) csd_state;
#endif
extern __typeof__(csd_state) csd_0_state __attribute__((alias("csd_state")));

static struct csd_call *native_call;

long
csd_emit(const void *pointer, __u64 bytes)
{
	if (native_call->end == CSD_CALL_FULL || bytes > native_call->out_bytes - native_call->emitted) {
		native_call->end = CSD_CALL_FULL;
		return -28;
	}
	memcpy((__u8 *)native_call->out + native_call->emitted, pointer, bytes);
	native_call->emitted += bytes;
	return 0;
}

#ifdef PROGRAM_RECORD

static void
native_run(struct csd_call *call)
{
	const __u64 stride = csd_program_geometry.stride_bytes;
	const __u8 *record = (const __u8 *)call->input;

	for (__u64 left = call->input_bytes / stride; left > 0; left--) {
		__builtin_prefetch(record + 4096);
		if (PROGRAM((const void *)record) & CSD_STOP) {
			call->end = CSD_CALL_STOPPED;
			break;
		}
		record += stride;
	}
	call->consumed = record - (const __u8 *)call->input;
}

#else

static void
native_run(struct csd_call *call)
{
	struct csd_context context = {
		.begin = (const __u8 *)call->input, .end = (const __u8 *)call->input + call->input_bytes, .offset = call->input_offset,
		.flags = call->flags, .ranges = (const struct csd_range *)call->ranges, .range_count = call->range_count,
		.data = (const __u8 *)call->data, .data_bytes = call->data_bytes, .consumed = call->input_bytes,
	};
	int verdict = PROGRAM(&context);

	call->consumed = context.consumed;
	if (verdict & CSD_STOP && call->end == CSD_CALL_USED) {
		call->end = CSD_CALL_STOPPED;
	}
}

#endif

void csd_0_call(struct csd_call *call);
void
csd_0_call(struct csd_call *call)
{
	call->emitted = 0;
	call->end = CSD_CALL_USED;
	native_call = call;
	native_run(call);
}
