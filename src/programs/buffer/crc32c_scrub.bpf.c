/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * CRC-32C of each block: struct csd_crc32c_state. 16 bytes at a time, by a table for each of their places: tables[n] has the
 * CRC of a byte with n zero bytes behind it.
 */
#include "csd_programs.h"
#include "words.h"

#define PLACES	16

CSD_STATE(struct csd_crc32c_state);

static __u32 tables[PLACES][256];

static __attribute__((noinline)) void crc_fill_tables(void)
{
	for (__u32 i = 0; i < 256; i++) {
		__u32 rest = i;

		for (int bit = 0; bit < 8; bit++)
			rest = rest >> 1 ^ (rest & 1 ? 0x82f63b78u : 0);
		tables[0][i] = rest;
	}
	for (__u32 place = 1; place < PLACES; place++) {
		for (__u32 i = 0; i < 256; i++)
			tables[place][i] = tables[place - 1][i] >> 8 ^ tables[0][tables[place - 1][i] & 255];
	}
}

/* Eight bytes whose first has `place` bytes behind it. */
#define CRC_WORD(word, place) \
	(tables[place][(word) & 255] ^ tables[(place) - 1][(word) >> 8 & 255] ^ tables[(place) - 2][(word) >> 16 & 255] ^ \
	 tables[(place) - 3][(word) >> 24 & 255] ^ tables[(place) - 4][(word) >> 32 & 255] ^ \
	 tables[(place) - 5][(word) >> 40 & 255] ^ tables[(place) - 6][(word) >> 48 & 255] ^ tables[(place) - 7][(word) >> 56])

static __attribute__((noinline)) __u32 crc_sum(const __u8 *at, __u64 bytes)
{
	__u32 rest = ~0u;

	for (; bytes >= 16; at += 16, bytes -= 16) {
		__u64 low = CSD_LOAD_64(at) ^ rest, high = CSD_LOAD_64(at + 8);

		rest = CRC_WORD(low, 15) ^ CRC_WORD(high, 7);
	}
	for (; bytes > 0; at++, bytes--)
		rest = rest >> 8 ^ tables[0][(rest ^ *at) & 255];
	return ~rest;
}

enum found { GOOD, BAD, UNCHECKED };

/* By mode: whether what is known of the block is right. */
static inline enum found crc_look(const struct csd_context *context, __u64 number, const __u8 *block, __u64 bytes)
{
	if (csd_parameters.cparam2 == CSD_CRC32C_BEHIND)
		return bytes < 4 || crc_sum(block, bytes - 4) != WORDS_LOAD_32(block + bytes - 4) ? BAD : GOOD;
	if (number >= context->ranges[0].bytes / 4)
		return UNCHECKED;
	return crc_sum(block, bytes) != WORDS_LOAD_32(context->ranges[0].begin + number * 4) ? BAD : GOOD;
}

/* False: there is no room. */
static inline int crc_take(const struct csd_context *context, const __u8 *block, __u64 bytes, __u64 block_bytes)
{
	__u64 offset = context->offset + (block - context->begin);
	enum found found;

	if (csd_parameters.cparam2 == CSD_CRC32C_GIVE) {
		__u32 value = crc_sum(block, bytes);

		return csd_emit(&value, sizeof(value)) == 0;
	}
	found = crc_look(context, offset / block_bytes, block, bytes);
	if (found == BAD && csd_emit(&offset, sizeof(offset)) != 0)
		return 0;
	csd_state.bad += found == BAD;
	csd_state.unchecked += found == UNCHECKED;
	return 1;
}

CSD_BUFFER_PROGRAM
int crc32c_scrub(struct csd_context *context)
{
	__u64 block_bytes = csd_parameters.cparam1 == 0 ? 4096 : csd_parameters.cparam1;
	const __u8 *at = context->begin;

	context->consumed = 0;
	if (block_bytes < 4 || block_bytes > CSD_CRC32C_MOST_BLOCK || csd_parameters.cparam2 > CSD_CRC32C_RANGE) {
		csd_state.error = CSD_PROGRAM_DATA_VALUE;
		return CSD_STOP;
	}
	if (csd_parameters.cparam2 == CSD_CRC32C_RANGE && context->range_count == 0) {
		csd_state.error = CSD_PROGRAM_RANGE;
		return CSD_STOP;
	}
	if (tables[0][1] == 0)
		crc_fill_tables();
	while (at < context->end) {
		__u64 bytes = context->end - at;

		if (bytes < block_bytes && !(context->flags & CSD_LAST))
			break;
		bytes = bytes < block_bytes ? bytes : block_bytes;
		if (!crc_take(context, at, bytes, block_bytes))
			break;
		csd_state.blocks++;
		at += bytes;
	}
	context->consumed = at - context->begin;
	return 0;
}
