/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The words of JSON (RFC 8259): strings, numbers, literals. Each function returns where its word ends; NULL: it is none. */
#ifndef JSON_H
#define JSON_H

#include "words.h"

static inline const __u8 *json_blanks(const __u8 *at, const __u8 *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
		at++;
	return at;
}

/* Four hexadecimal digits; above 0xffff: they are none. */
static __attribute__((noinline)) __u32 json_hex(const __u8 *at, const __u8 *end)
{
	__u32 value = 0;

	if (end - at < 4)
		return ~0u;
	for (__u32 i = 0; i < 4; i++) {
		__u8 digit = at[i] - '0', letter = (at[i] | 0x20) - 'a';

		if (digit > 9 && letter > 5)
			return ~0u;
		value = value << 4 | (digit <= 9 ? digit : letter + 10);
	}
	return value;
}

/* What stands behind a backslash; 0: no escape does. 'u' is four digits more. */
static inline __u8 json_escape(__u8 letter)
{
	switch (letter) {
	case '"': case '\\': case '/': return letter;
	case 'b': return '\b';
	case 'f': return '\f';
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	default: return 0;
	}
}

/*
 * Set by json_string() where a string has escapes, and never cleared by it. No argument: a function that hands out an address in
 * its frame has the frame filled with zeros at each call.
 */
static __u64 json_escapes;

/* From behind its opening quote to its closing one. */
static inline const __u8 *json_string(const __u8 *at, const __u8 *end)
{
	for (;;) {
		for (; end - at >= 8; at += 8) {
			__u64 word = CSD_LOAD_64(at), quote = word ^ '"' * WORDS_ONES, backslash = word ^ '\\' * WORDS_ONES;
			__u64 marks = WORDS_ZEROS(quote) | WORDS_ZEROS(backslash) |
				      ((word - 0x20 * WORDS_ONES) & ~word & WORDS_HIGHS);	/* control characters */

			if (marks != 0) {
				at += WORDS_FIRST(marks);
				break;
			}
		}
		if (at == end || *at < 0x20)
			return 0;
		if (*at == '"')
			return at;
		if (*at == '\\') {
			json_escapes = 1;
			at++;
			if (at == end || (*at == 'u' ? json_hex(at + 1, end) > 0xffff : json_escape(*at) == 0))
				return 0;
			at += *at == 'u' ? 4 : 0;
		}
		at++;
	}
}

static inline const __u8 *json_digits(const __u8 *at, const __u8 *end)
{
	const __u8 *begin = at;

	while (at < end && (__u8)(*at - '0') <= 9)
		at++;
	return at > begin ? at : 0;
}

static __attribute__((noinline)) const __u8 *json_number(const __u8 *at, const __u8 *end)
{
	at += at < end && *at == '-';
	if (at < end && *at == '0')
		at++;
	else
		at = json_digits(at, end);
	if (at != 0 && at < end && *at == '.')
		at = json_digits(at + 1, end);
	if (at != 0 && at < end && (*at | 0x20) == 'e') {
		at++;
		at += at < end && (*at == '+' || *at == '-');
		at = json_digits(at, end);
	}
	return at;
}

/* true, false, null, of which the first four bytes make a word. */
static __attribute__((noinline)) const __u8 *json_literal(const __u8 *at, const __u8 *end)
{
	__u32 word;

	if (end - at < 4)
		return 0;
	word = WORDS_LOAD_32(at);
	if (word == ('t' | 'r' << 8 | 'u' << 16 | 'e' << 24) || word == ('n' | 'u' << 8 | 'l' << 16 | 'l' << 24))
		return at + 4;
	return word == ('f' | 'a' << 8 | 'l' << 16 | 's' << 24) && end - at > 4 && at[4] == 'e' ? at + 5 : 0;
}

/* --- a string's characters --- */

/* The escape behind a backslash, as UTF-8: how many bytes. `at` moves behind it. */
static __attribute__((noinline)) __u32 json_decode(const __u8 **at, const __u8 *end, __u8 text[4])
{
	const __u8 *from = *at;
	__u32 code, low;

	*at = from + 1;
	if (*from != 'u') {
		text[0] = json_escape(*from);
		return 1;
	}
	code = json_hex(from + 1, end);
	from += 5;
	*at = from;
	if (code >= 0xd800 && code <= 0xdfff) {
		low = end - from >= 6 && from[0] == '\\' && from[1] == 'u' ? json_hex(from + 2, end) : 0;
		if (code < 0xdc00 && low >= 0xdc00 && low <= 0xdfff) {
			code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
			*at = from + 6;
		} else {
			code = 0xfffd;
		}
	}
	if (code < 0x80) {
		text[0] = code;
		return 1;
	}
	if (code < 0x800) {
		text[0] = 0xc0 | code >> 6;
		text[1] = 0x80 | (code & 0x3f);
		return 2;
	}
	if (code < 0x10000) {
		text[0] = 0xe0 | code >> 12;
		text[1] = 0x80 | (code >> 6 & 0x3f);
		text[2] = 0x80 | (code & 0x3f);
		return 3;
	}
	text[0] = 0xf0 | code >> 18;
	text[1] = 0x80 | (code >> 12 & 0x3f);
	text[2] = 0x80 | (code >> 6 & 0x3f);
	text[3] = 0x80 | (code & 0x3f);
	return 4;
}

/* A string with escapes, which json_string() found good, beside text: -1, 0, 1. */
static __attribute__((noinline)) long json_compare(const __u8 *at, const __u8 *end, const __u8 *other, __u64 bytes)
{
	__u64 same = 0;

	while (at < end) {
		__u8 text[4];
		__u32 count = 1;

		text[0] = *at++;
		if (text[0] == '\\')
			count = json_decode(&at, end, text);
		for (__u32 i = 0; i < count; i++, same++) {
			if (same == bytes)
				return 1;
			if (text[i] != other[same])
				return text[i] < other[same] ? -1 : 1;
		}
	}
	return same < bytes ? -1 : 0;
}

#endif
