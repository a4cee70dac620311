/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Lines that have at least one of some strings: struct csd_grep.
 *
 * One block of bytes in each `step` of the text is looked up in a table, `step` being such that each occurrence of a string has
 * such a block in it, within the first bytes that all strings have. So most of the text is never looked at, no step depends on
 * what an earlier one found, and the number of strings matters little. The table says which strings have such a block, and
 * where: those are compared.
 */
#include "csd_bpf.h"
#include "lines.h"

#define MOST_PREFIX	16	/* of a string, for blocks */
#define HASH_BITS	12
#define PLACES		(CSD_GREP_STRINGS * MOST_PREFIX)

CSD_STATE(struct csd_grep_state);

/* A block in a string. */
struct place {
	__u16 next;		/* of the same hash, counted from 1 */
	__u8 string;
	__u8 offset;
};

static __u8 strings[CSD_GREP_STRINGS][CSD_GREP_STRING_BYTES + 1];	/* lower case, if case is ignored */
static __u8 lengths[CSD_GREP_STRINGS];
static __u8 lower[256];
static __u16 heads[1 << HASH_BITS];	/* places, counted from 1; 0: no string has such a block */
static struct place places[PLACES];
static __u32 place_count;
static __u32 step;
static __u32 mask;			/* of a block's bytes */
static __u32 folded;			/* bits that are set in blocks, so that case makes no difference */
static __u64 ready;
static __u64 numbered;			/* the number of the next line has come out already */

static inline __u32 grep_hash(__u32 block)
{
	return ((block & mask) | folded) * 0x9e3779b1u >> (32 - HASH_BITS);
}

/* --- the strings --- */

/* 0, else enum csd_program_error. */
static __attribute__((noinline)) __u64 grep_take_strings(const struct csd_context *context)
{
	const struct csd_grep *given = (const struct csd_grep *)context->data;
	const __u8 *at = context->data + sizeof(*given), *end = context->data + context->data_bytes;

	if (context->data_bytes < sizeof(*given))
		return CSD_PROGRAM_DATA_SHORT;
	if (given->strings < 1 || given->strings > CSD_GREP_STRINGS || given->flags > 15)
		return CSD_PROGRAM_DATA_VALUE;
	for (__u32 i = 0; i < 256; i++)
		lower[i] = (given->flags & CSD_GREP_IGNORE_CASE) && i >= 'A' && i <= 'Z' ? i + 32 : i;
	for (__u32 i = 0; i < given->strings; i++) {
		__u64 bytes;

		if (end - at < 2)
			return CSD_PROGRAM_DATA_SHORT;
		bytes = WORDS_LOAD_16(at);
		at += 2;
		if ((__u64)(end - at) < bytes)
			return CSD_PROGRAM_DATA_SHORT;
		if (bytes < 1 || bytes > CSD_GREP_STRING_BYTES || words_find(at, at + bytes, '\n') != at + bytes)
			return CSD_PROGRAM_DATA_VALUE;
		for (__u64 k = 0; k < bytes; k++)
			strings[i][k] = lower[at[k]];
		lengths[i] = bytes;
		at += bytes;
	}
	return 0;
}

static void grep_add_place(__u32 string, __u32 offset)
{
	__u32 slot = grep_hash(WORDS_LOAD_32(strings[string] + offset));
	struct place *place = &places[place_count++];

	place->next = heads[slot];
	place->string = string;
	place->offset = offset;
	heads[slot] = place_count;
}

/* Longer blocks are rarer in the text, shorter ones make longer steps. */
static __attribute__((noinline)) void grep_fill_table(const struct csd_grep *given)
{
	__u32 shortest = MOST_PREFIX, block;

	for (__u32 i = 0; i < given->strings; i++)
		shortest = lengths[i] < shortest ? lengths[i] : shortest;
	block = shortest >= 8 ? 4 : shortest >= 4 ? 3 : shortest;
	step = shortest - block + 1;
	mask = ~0u >> (32 - 8 * block);
	folded = given->flags & CSD_GREP_IGNORE_CASE ? 0x20202020 & mask : 0;
	for (__u32 i = 0; i < given->strings; i++) {
		for (__u32 offset = 0; offset < step; offset++)
			grep_add_place(i, offset);
	}
}

/* --- search --- */

/* NULL: none of the strings that have this hash is around `at` and within the lines. */
static __attribute__((noinline)) const __u8 *grep_compare(__u32 place, const __u8 *at, const __u8 *begin, const __u8 *stop)
{
	for (; place != 0; place = places[place - 1].next) {
		__u64 offset = places[place - 1].offset, string = places[place - 1].string, bytes = lengths[string], same = 0;
		const __u8 *start = at - offset;

		if ((__u64)(at - begin) < offset || (__u64)(stop - start) < bytes)
			continue;
		while (same < bytes && lower[start[same]] == strings[string][same])
			same++;
		if (same == bytes)
			return start;
	}
	return 0;
}

/* The first of the lines begin .. stop that has a string: some place in it. NULL: there is none. */
static __attribute__((noinline)) const __u8 *grep_find(const __u8 *begin, const __u8 *stop)
{
	const __u8 *at = begin, *found;
	__u64 by = step;

	/* Four at a time, as mostly there is none. */
	while (stop - at >= (__s64)(3 * by + 4)) {
		__u32 any = heads[grep_hash(WORDS_LOAD_32(at))] | heads[grep_hash(WORDS_LOAD_32(at + by))] |
			    heads[grep_hash(WORDS_LOAD_32(at + 2 * by))] | heads[grep_hash(WORDS_LOAD_32(at + 3 * by))];

		for (const __u8 *end = at + 4 * by; any != 0 && at < end; at += by) {
			__u32 place = heads[grep_hash(WORDS_LOAD_32(at))];

			found = place != 0 ? grep_compare(place, at, begin, stop) : 0;
			if (found != 0)
				return found;
		}
		at += any == 0 ? 4 * by : 0;
	}
	for (; stop - at >= 4; at += by) {
		__u32 place = heads[grep_hash(WORDS_LOAD_32(at))];

		if (place != 0) {
			found = grep_compare(place, at, begin, stop);
			if (found != 0)
				return found;
		}
	}
	/* Zeros stand for what is behind the lines: a block that needs it is in no string that ends in them. */
	for (; at < stop; at += by) {
		__u32 block = 0, place;

		for (__u32 i = 0; i < (__u64)(stop - at); i++)
			block |= (__u32)at[i] << 8 * i;
		place = heads[grep_hash(block)];
		found = place != 0 ? grep_compare(place, at, begin, stop) : 0;
		if (found != 0)
			return found;
	}
	return 0;
}

/* --- lines --- */

static long grep_emit_number(__u64 number)
{
	__u8 text[24];
	__u32 at = sizeof(text);

	text[--at] = ':';
	for (; number > 0; number /= 10)
		text[--at] = '0' + number % 10;
	return csd_emit(text + at, sizeof(text) - at);
}

/* 0: it came out. */
static long grep_emit_line(const __u8 *line, const __u8 *end, __u32 flags)
{
	if (flags & CSD_GREP_COUNT)
		return 0;
	if ((flags & CSD_GREP_NUMBERS) && !numbered) {
		if (grep_emit_number(csd_state.lines + 1) != 0)
			return -1;
		numbered = 1;
	}
	if (csd_emit(line, end - line) != 0)
		return -1;
	numbered = 0;
	return 0;
}

enum next { GO_ON, NO_ROOM, ENOUGH };

/* The lines from lines->at to `to`, of which all are selected. */
static enum next grep_take_selected(struct lines *lines, const __u8 *to, __u32 flags)
{
	while (lines->at < to) {
		const __u8 *end = words_find(lines->at, to, '\n');

		end += end < to;
		if (grep_emit_line(lines->at, end, flags) != 0)
			return NO_ROOM;
		lines->at = end;
		csd_state.lines++;
		if (++csd_state.selected == csd_parameters.cparam1)
			return ENOUGH;
	}
	return GO_ON;
}

static void grep_take_others(struct lines *lines, const __u8 *to)
{
	if (lines->at == to)
		return;
	csd_state.lines += words_count(lines->at, to, '\n') + (to[-1] != '\n');
	lines->at = to;
}

/* Some lines, and the one behind them that has a string; found is NULL: no other has one. */
static enum next grep_take(struct lines *lines, const __u8 *found, __u32 flags)
{
	const __u8 *begin = found != 0 ? words_behind_last(lines->at, found, '\n') : lines->stop, *end = begin;

	if (found != 0) {
		end = words_find(found, lines->stop, '\n');
		end += end < lines->stop;
	}
	if (flags & CSD_GREP_INVERT) {
		enum next next = grep_take_selected(lines, begin, flags);

		if (next == GO_ON)
			grep_take_others(lines, end);
		return next;
	}
	grep_take_others(lines, begin);
	return grep_take_selected(lines, end, flags);
}

CSD_BUFFER_PROGRAM
int grep(struct csd_context *context)
{
	const struct csd_grep *given = (const struct csd_grep *)context->data;
	enum next next = GO_ON;
	struct lines lines;

	context->consumed = 0;
	if (!ready) {
		csd_state.error = grep_take_strings(context);
		if (csd_state.error != 0)
			return CSD_STOP;
		grep_fill_table(given);
		ready = 1;
	}
	lines_begin(&lines, context);
	while (next == GO_ON) {
		int more = lines_next(&lines);

		csd_state.lines += lines.too_long;
		csd_state.too_long += lines.too_long;
		lines.too_long = 0;
		if (!more)
			break;
		while (next == GO_ON && lines.at < lines.stop)
			next = grep_take(&lines, grep_find(lines.at, lines.stop), given->flags);
	}
	context->consumed = lines.at - context->begin;
	return next == ENOUGH ? CSD_STOP : 0;
}
