/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * A program's own source, compiled natively as well as it can be, for csd_program_bench: PROGRAM is its name, PROGRAM_SOURCE
 * its file, PROGRAM_RECORD says that it is of kind csd/record. The library is called as a translated one is (csd_call.h).
 */
#define csd_parameters	native_given
/* What it declares is here, too, so that it is reached without a table. */
#pragma GCC visibility push(hidden)
#include PROGRAM_SOURCE
#pragma GCC visibility pop
#include <string.h>

#include "csd_call.h"

#define NATIVE_EXPORT	__attribute__((visibility("default")))

__attribute__((visibility("hidden"), used)) struct csd_parameters native_parameters __asm__("native_given");
extern NATIVE_EXPORT struct csd_parameters csd_0_parameters __attribute__((alias("native_given")));

/* A record program may have no state: then nobody looks at this one. */
#ifdef PROGRAM_RECORD
#define NATIVE_STATE_BYTES	csd_program_geometry.state_bytes
__attribute__((visibility("hidden"), used)) __u64 native_state[CSD_MAX_STATE_BYTES / 8] __asm__("csd_state");
#else
#define NATIVE_STATE_BYTES	sizeof(csd_state)
#endif
extern NATIVE_EXPORT __u64 csd_0_state[CSD_MAX_STATE_BYTES / 8] __attribute__((alias("csd_state")));

static struct csd_call *native_call;

/* What records are kept becomes output by their loop, without this. */
__attribute__((visibility("hidden"))) long
csd_emit(const void *pointer, __u64 bytes)
{
	if (native_call->end == CSD_CALL_FULL || bytes > native_call->out_bytes - native_call->emitted) {
		native_call->end = CSD_CALL_FULL;
		return -28;
	}
	memcpy((__u8 *)native_call->out + native_call->emitted, pointer, bytes);
	native_call->emitted += bytes;
	native_call->matches++;
	return 0;
}

#ifdef PROGRAM_RECORD

#define NATIVE_ITEM_BYTES \
	(csd_program_geometry.emit == CSD_EMIT_RECORD ? csd_program_geometry.record_bytes : \
	 csd_program_geometry.emit == CSD_EMIT_OFFSET ? sizeof(__u64) : 0)

static void
native_keep(struct csd_call *call, const __u8 *record, __u64 offset)
{
	__u8 *out = (__u8 *)call->out + call->emitted;

	if (csd_program_geometry.emit == CSD_EMIT_RECORD) {
		memcpy(out, record, csd_program_geometry.record_bytes);
	} else if (csd_program_geometry.emit == CSD_EMIT_OFFSET) {
		memcpy(out, &offset, sizeof(offset));
	}
	call->emitted += NATIVE_ITEM_BYTES;
	call->matches++;
}

/* CSD_POSITIONS: the windows at the input's end are filled up with zeros. */
static void
native_positions(struct csd_call *call)
{
	const __u64 record_bytes = csd_program_geometry.record_bytes;
	__u8 tail[CSD_MAX_RECORD_BYTES];
	__u64 at = 0;

	while (at < call->input_bytes) {
		const __u8 *window = (const __u8 *)call->input + at;
		__u64 bytes = call->input_bytes - at;
		__u32 verdict, position;

		if (bytes < record_bytes && (call->flags & CSD_CALL_LAST) == 0) {
			break;
		}
		if (call->out_bytes - call->emitted < sizeof(__u64)) {
			call->end = CSD_CALL_FULL;
			break;
		}
		if (bytes < record_bytes) {
			memcpy(tail, window, bytes);
			memset(tail + bytes, 0, record_bytes - bytes);
			window = tail;
		} else {
			bytes = record_bytes;
		}
		native_parameters.record_bytes = bytes;
		verdict = PROGRAM((const void *)window);
		position = verdict >> 2;
		call->records++;
		if (verdict & CSD_KEEP && position < bytes) {
			native_keep(call, window, call->input_offset + at + position);
			at += (__u64)position + 1;
		} else {
			at += csd_program_geometry.stride_bytes;
		}
		if (verdict & CSD_STOP) {
			call->end = CSD_CALL_STOPPED;
			break;
		}
	}
	call->consumed = call->flags & CSD_CALL_LAST && at > call->input_bytes ? call->input_bytes : at;
}

static void
native_records(struct csd_call *call)
{
	const __u64 record_bytes = csd_program_geometry.record_bytes, stride = csd_program_geometry.stride_bytes;
	__u64 fits = call->input_bytes < record_bytes ? 0 : (call->input_bytes - record_bytes) / stride + 1;
	const __u8 *record = (const __u8 *)call->input;

	native_parameters.record_bytes = record_bytes;
	for (; call->records < fits; record += stride) {
		int verdict;

		if (NATIVE_ITEM_BYTES > call->out_bytes - call->emitted) {
			call->end = CSD_CALL_FULL;
			break;
		}
		verdict = PROGRAM((const void *)record);
		call->records++;
		if (verdict & CSD_KEEP) {
			native_keep(call, record, call->input_offset + (call->records - 1) * stride);
		}
		if (verdict & CSD_STOP) {
			call->end = CSD_CALL_STOPPED;
			break;
		}
	}
	call->consumed = call->records * stride;
}

static void
native_run(struct csd_call *call)
{
	/* A copy: the compiler knows that nothing the program writes changes it. No shipped record program calls csd_emit(). */
	struct csd_call here = *call;

	if (csd_program_geometry.flags & CSD_POSITIONS) {
		native_positions(&here);
	} else {
		native_records(&here);
	}
	*call = here;
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

NATIVE_EXPORT void csd_0_call(struct csd_call *call);
void
csd_0_call(struct csd_call *call)
{
	call->records = 0;
	call->matches = 0;
	call->emitted = 0;
	call->end = CSD_CALL_USED;
	native_call = call;
	native_run(call);
}

NATIVE_EXPORT __u64 csd_0_state_bytes(void);
__u64
csd_0_state_bytes(void)
{
	return NATIVE_STATE_BYTES;
}
