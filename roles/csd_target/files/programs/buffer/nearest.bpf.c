/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The k nearest records: struct csd_nearest. */
#include "records.h"

CSD_STATE(struct csd_nearest_state);

/*
 * The point, its least possible value being 0. What is read without a sign needs no widening, for which eBPF has no instruction
 * below v4: so the loops below become vectors. They take whole blocks; the last features, those that fill no block, come with
 * the ones before them once more, and `counts` says which of that block count.
 */
#define BLOCK	16u

static __u8 point_8[CSD_NEAREST_FEATURES];
static __u16 point_16[CSD_NEAREST_FEATURES];
static __u32 counts[BLOCK];		/* all bits, or none */

static __attribute__((noinline)) void nearest_take_point(const struct csd_nearest *given)
{
	for (__u32 i = 0; i < given->features; i++) {
		point_8[i] = given->point[i] + 0x80;
		point_16[i] = given->point[i] + 0x8000;
	}
	for (__u32 i = 0; i < BLOCK; i++)
		counts[i] = i >= BLOCK - given->features % BLOCK ? ~0u : 0;
}

/* As 16 bits, which the difference is of 8 bits: gcc has an instruction for sums of such products. */
static inline __u32 nearest_square_8(const __u8 *at, __u32 i, __u32 of)
{
	__u32 apart = (at[i] ^ 0x80) - point_8[of];

	WORDS_HIDE(apart);
	return (__s32)(__s16)apart * (__s16)apart;
}

static inline __u32 nearest_square_16(const __u8 *at, __u32 i, __u32 of)
{
	__u32 apart = (WORDS_LOAD_16(at + 2 * i) ^ 0x8000) - point_16[of];

	return apart * apart;
}

#define DISTANCE(bits, sum_type) \
static __attribute__((noinline)) __u64 nearest_distance_##bits(const __u8 *at, __u32 features) \
{ \
	__u32 whole = features / BLOCK * BLOCK; \
	sum_type sum = 0; \
\
	for (__u32 i = 0; i < whole; i++) \
		sum += nearest_square_##bits(at, i, i); \
	if (whole == features) \
		return sum; \
	if (whole == 0) { \
		for (__u32 i = 0; i < features; i++) \
			sum += nearest_square_##bits(at, i, i); \
		return sum; \
	} \
	at += (features - BLOCK) * (bits / 8); \
	WORDS_ROLLED \
	for (__u32 i = 0; i < BLOCK; i++) \
		sum += nearest_square_##bits(at, i, features - BLOCK + i) & counts[i]; \
	return sum; \
}
/* At most 255 times 255 * 255: 32 bits hold it. And of 16 bits: a difference is at most 65535, and its square 32 bits. */
DISTANCE(8, __u32)
DISTANCE(16, __u64)

/* It is nearer than the last one, or there are fewer than k. */
static __attribute__((noinline)) void nearest_insert(__u64 distance, __u64 offset, __u64 k)
{
	struct csd_neighbour *neighbours = csd_state.neighbours;
	__u64 place;

	if (csd_state.found < k)
		csd_state.found++;
	place = csd_state.found - 1;
	for (; place > 0 && neighbours[place - 1].distance > distance; place--)
		neighbours[place] = neighbours[place - 1];
	neighbours[place].distance = distance;
	neighbours[place].offset = offset;
}

static inline int nearest_wrong(const struct csd_nearest *given)
{
	__u64 stride = given->stride_bytes, offset = given->offset, features = given->features;
	__s16 least = given->type == CSD_S8 ? -128 : -32768, greatest = given->type == CSD_S8 ? 127 : 32767;

	if ((given->type != CSD_S8 && given->type != CSD_S16) || given->k < 1 || given->k > CSD_NEAREST_MOST || features < 1 ||
	    features > CSD_NEAREST_FEATURES || given->reserved != 0 || stride > CSD_MOST_STRIDE ||
	    offset + (features << (given->type & 3)) > stride)
		return 1;
	for (__u64 i = 0; i < features; i++) {
		if (given->point[i] < least || given->point[i] > greatest)
			return 1;
	}
	return 0;
}

CSD_BUFFER_PROGRAM
int nearest(struct csd_context *context)
{
	const struct csd_nearest *given = (const struct csd_nearest *)context->data;
	const __u8 *record = context->begin;
	__u64 stride, records, k, limit;

	context->consumed = 0;
	if (context->data_bytes < sizeof(*given)) {
		csd_state.error = CSD_PROGRAM_DATA_SHORT;
		return CSD_STOP;
	}
	if (nearest_wrong(given)) {
		csd_state.error = CSD_PROGRAM_DATA_VALUE;
		return CSD_STOP;
	}
	nearest_take_point(given);
	stride = given->stride_bytes;
	records = (context->end - context->begin) / stride;
	k = given->k;
	/* No distance reaches ~0. */
	limit = csd_state.found < k ? ~0ULL : csd_state.neighbours[k - 1].distance;
	for (__u64 i = 0; i < records; i++, record += stride) {
		__u64 distance = given->type == CSD_S8 ? nearest_distance_8(record + given->offset, given->features)
						       : nearest_distance_16(record + given->offset, given->features);

		if (distance < limit) {
			nearest_insert(distance, context->offset + i * stride, k);
			limit = csd_state.found < k ? ~0ULL : csd_state.neighbours[k - 1].distance;
		}
	}
	csd_state.records += records;
	context->consumed = records_consumed(context, records * stride, &csd_state.rest_bytes);
	return 0;
}
