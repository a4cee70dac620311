/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Decodes PackBits: struct csd_rle_state. */
#include "csd_programs.h"
#include "words.h"

#define MOST	128	/* bytes that a run stands for */
#define EMPTY	128	/* what a run of none begins with */

CSD_STATE(struct csd_rle_state);

static __u64 same[MOST / 8];

/* 0: there is room for the run, which is at `at` as a whole. */
static inline long rle_give(const __u8 *at, __u64 length)
{
	__u64 word;

	if (at[0] < EMPTY)
		return csd_emit(at + 1, length);
	word = at[1] * WORDS_ONES;
	for (__u64 i = 0; i < (length + 7) / 8; i++)
		same[i] = word;
	return csd_emit(same, length);
}

CSD_BUFFER_PROGRAM
int rle_decode(struct csd_context *context)
{
	const __u8 *at = context->begin, *end = context->end;
	__u64 runs = 0, empty = 0, decoded = 0;

	while (at < end) {
		__u64 first = *at, bytes = first < EMPTY ? first + 2 : first > EMPTY ? 2 : 1;
		__u64 length = first < EMPTY ? first + 1 : 257 - first;

		if ((__u64)(end - at) < bytes) {
			if (context->flags & CSD_LAST) {
				csd_state.rest_bytes = end - at;
				at = end;
			}
			break;
		}
		if (first == EMPTY)
			empty++;
		else if (rle_give(at, length) != 0)
			break;
		else
			decoded += length;
		runs++;
		at += bytes;
	}
	csd_state.runs += runs;
	csd_state.empty += empty;
	csd_state.decoded_bytes += decoded;
	context->consumed = at - context->begin;
	return 0;
}
