/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* How many records have a number from cparam1 to cparam2: struct csd_count_range. */
#include "records.h"

CSD_STATE(struct csd_count_range_state);

/* The type's least or greatest number, if the given one is beyond it. `flip` makes signed numbers comparable as unsigned ones. */
static inline __u64 range_clamp(__u64 value, __u64 flip, __u64 least, __u64 greatest)
{
	if ((value ^ flip) > (greatest ^ flip))
		return greatest;
	return (value ^ flip) < (least ^ flip) ? least : value;
}

/* False: no number of the type is in the range. */
static inline int range_bounds(__u32 type, __u64 *from, __u64 *to)
{
	__u64 greatest = ~0ULL >> (64 - (8 << (type & 3))), least = 0, flip = 0, first = *from, last = *to;

	if (type >= CSD_S8) {
		greatest >>= 1;
		least = ~greatest;
		flip = 1ULL << 63;
	}
	*from = range_clamp(first, flip, least, greatest);
	*to = range_clamp(last, flip, least, greatest);
	return (first ^ flip) <= (last ^ flip) && (first ^ flip) <= (*from ^ flip) && (last ^ flip) >= (*to ^ flip);
}

/*
 * Signed or not: in the type's own width, what lies in the range is at most so far above its least number. Numbers that lie
 * side by side have a loop of their own, as that one becomes vectors.
 */
#define RANGE_COUNT(bits, load) \
static __attribute__((noinline)) __u64 \
range_count_##bits(const __u8 *at, __u64 records, __u64 stride, __u##bits least, __u##bits span) \
{ \
	__u64 count = 0; \
\
	if (stride == sizeof(__u##bits)) { \
		for (__u64 i = 0; i < records; i++) \
			count += (__u##bits)(load(at + i * sizeof(__u##bits)) - least) <= span; \
		return count; \
	} \
	for (__u64 i = 0; i < records; i++, at += stride) \
		count += (__u##bits)(load(at) - least) <= span; \
	return count; \
}
#define RANGE_LOAD_8(address)	(*(address))
RANGE_COUNT(8, RANGE_LOAD_8)
RANGE_COUNT(16, WORDS_LOAD_16)
RANGE_COUNT(32, WORDS_LOAD_32)
RANGE_COUNT(64, CSD_LOAD_64)

static inline __u64 range_count(const __u8 *at, __u64 records, __u64 stride, __u32 type, __u64 least, __u64 span)
{
	switch (type & 3) {
	case 0: return range_count_8(at, records, stride, least, span);
	case 1: return range_count_16(at, records, stride, least, span);
	case 2: return range_count_32(at, records, stride, least, span);
	default: return range_count_64(at, records, stride, least, span);
	}
}

CSD_BUFFER_PROGRAM
int count_range(struct csd_context *context)
{
	const struct csd_count_range *given = (const struct csd_count_range *)context->data;
	__u64 stride = 8, offset = 0, records;
	__u64 from = csd_parameters.cparam1, to = csd_parameters.cparam2;
	__u32 type = CSD_S64;

	context->consumed = 0;
	if (context->data_bytes > 0) {
		if (context->data_bytes < sizeof(*given)) {
			csd_state.error = CSD_PROGRAM_DATA_SHORT;
			return CSD_STOP;
		}
		stride = given->stride_bytes;
		offset = given->offset;
		type = given->type;
		if (!records_have(stride, offset, type) || given->reserved != 0) {
			csd_state.error = CSD_PROGRAM_DATA_VALUE;
			return CSD_STOP;
		}
	}
	records = (context->end - context->begin) / stride;
	if (range_bounds(type, &from, &to))
		csd_state.in_range += range_count(context->begin + offset, records, stride, type, from, to - from);
	csd_state.records += records;
	context->consumed = records_consumed(context, records * stride, &csd_state.rest_bytes);
	return 0;
}
