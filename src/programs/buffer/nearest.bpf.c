/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The k nearest records: struct csd_nearest. */
#include "records.h"

CSD_STATE(struct csd_nearest_state);

/*
 * Loops that become vectors, also from eBPF:
 *
 * - The point is kept with its least possible value as 0, and features are made so: below v4, eBPF has no instruction that widens
 *   what has a sign.
 * - Squares go through memory that is as narrow as they are, which says to gcc how few bits they have: a difference of bytes has a
 *   square of 16 bits, and of 16 bits one of 32.
 * - Behind the last square are zeros, so that the sum takes whole blocks.
 */
#define BLOCK	16u
#define MOST	((CSD_NEAREST_FEATURES + BLOCK - 1) / BLOCK * BLOCK)

static __u8 point_8[MOST];
static __u16 point_16[MOST];
static __u16 squares_8[MOST];
static __u32 squares_16[MOST];

static __attribute__((noinline)) void nearest_take_point(const struct csd_nearest *given)
{
	for (__u32 i = 0; i < given->features; i++) {
		point_8[i] = given->point[i] + 0x80;
		point_16[i] = given->point[i] + 0x8000;
	}
}

#define FEATURE_8(address)	((__u32)*(address) ^ 0x80)
#define FEATURE_16(address)	((__u32)WORDS_LOAD_16(address) ^ 0x8000)

#define DISTANCE(bits, sum_type) \
static __attribute__((noinline)) __u64 nearest_distance_##bits(const __u8 *at, __u32 features) \
{ \
	__u32 padded = (features + BLOCK - 1) / BLOCK * BLOCK; \
	sum_type sum = 0; \
\
	for (__u32 i = 0; i < features; i++) { \
		__u32 apart = FEATURE_##bits(at + i * (bits / 8)) - point_##bits[i]; \
\
		squares_##bits[i] = apart * apart; \
	} \
	for (__u32 i = 0; i < padded; i++) \
		sum += squares_##bits[i]; \
	return sum; \
}
/* 255 squares of 16 bits are less than 32 bits. */
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
