/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Lines that begin with a word, of a text that comes in parts. After cparam1 of them it stops. */
#include "csd_bpf.h"

struct counts {
	__u64 lines;
	__u64 kept;
	__u64 last;		/* where the last line begins */
	__u64 longest;
};

CSD_STATE(struct counts);

static __u64 longest;		/* lives as long as the state */

static __attribute__((noinline)) int
wanted(const __u8 *line, __u64 bytes)
{
	return bytes > 5 && bpf_strncmp((const char *)line, 5, "ERROR") == 0;
}

CSD_BUFFER_PROGRAM
int lines(struct csd_context *context)
{
	const __u8 *line = context->begin;

	context->consumed = 0;
	for (const __u8 *at = line; at < context->end; at++) {
		__u64 bytes = at + 1 - line;
		int keep;

		/* The last line may have no end. */
		if (*at != '\n' && !((context->flags & CSD_LAST) && at + 1 == context->end))
			continue;
		keep = wanted(line, bytes);
		if (keep && csd_emit(line, bytes) != 0)
			return 0;
		csd_state.lines++;
		csd_state.kept += keep;
		csd_state.last = context->offset + context->consumed;
		longest = bytes > longest ? bytes : longest;
		csd_state.longest = longest;
		context->consumed += bytes;
		line = at + 1;
		if (keep && csd_state.kept % csd_parameters.cparam1 == 0)
			return CSD_STOP;
	}
	return 0;
}
