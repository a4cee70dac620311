/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Eight bytes at a time: loops that end at a byte are vectorised by no compiler, so they are written for words. */
#ifndef WORDS_H
#define WORDS_H

#include "csd_bpf.h"

#define WORDS_ONES	0x0101010101010101ULL
#define WORDS_HIGHS	0x8080808080808080ULL

/* At any address, as CSD_LOAD_64. */
#ifdef __bpf__
typedef __u16 __attribute__((may_alias)) words_16;
typedef __u32 __attribute__((may_alias)) words_32;
#else
typedef __u16 __attribute__((may_alias, aligned(1))) words_16;
typedef __u32 __attribute__((may_alias, aligned(1))) words_32;
#endif
#define WORDS_LOAD_16(address)	(*(const words_16 *)(address))
#define WORDS_LOAD_32(address)	(*(const words_32 *)(address))

/* The highest bit of each byte that is zero. Above the first such byte others may be marked, too. */
#define WORDS_ZEROS(word)	(((word) - WORDS_ONES) & ~(word) & WORDS_HIGHS)

/* The same, and no others. */
#define WORDS_ALL_ZEROS(word)	(~((((word) & ~WORDS_HIGHS) + ~WORDS_HIGHS) | (word)) & WORDS_HIGHS)

/* Of marks: in which byte the lowest one is, and how many there are. */
#define WORDS_FIRST(marks)	((((marks) & -(marks)) >> 7) * 0x0001020304050607ULL >> 56)
#define WORDS_COUNT(marks)	(((marks) >> 7) * WORDS_ONES >> 56)

/* Where the first such byte is; `end`: nowhere. */
static inline const __u8 *words_find(const __u8 *at, const __u8 *end, __u8 byte)
{
	__u64 wanted = byte * WORDS_ONES;

	for (; end - at >= 8; at += 8) {
		__u64 other = CSD_LOAD_64(at) ^ wanted, marks = WORDS_ZEROS(other);

		if (marks != 0)
			return at + WORDS_FIRST(marks);
	}
	while (at < end && *at != byte)
		at++;
	return at;
}

/* Of either byte. */
static inline const __u8 *words_find_either(const __u8 *at, const __u8 *end, __u8 byte, __u8 another)
{
	__u64 wanted = byte * WORDS_ONES, others = another * WORDS_ONES;

	for (; end - at >= 8; at += 8) {
		__u64 one = CSD_LOAD_64(at) ^ wanted, other = CSD_LOAD_64(at) ^ others, marks = WORDS_ZEROS(one) | WORDS_ZEROS(other);

		if (marks != 0)
			return at + WORDS_FIRST(marks);
	}
	while (at < end && *at != byte && *at != another)
		at++;
	return at;
}

/* Behind the last such byte; `begin`: there is none. */
static inline const __u8 *words_behind_last(const __u8 *begin, const __u8 *end, __u8 byte)
{
	__u64 wanted = byte * WORDS_ONES;

	for (; end - begin >= 8; end -= 8) {
		__u64 other = CSD_LOAD_64(end - 8) ^ wanted;

		if (WORDS_ZEROS(other) != 0)
			break;
	}
	while (end > begin && end[-1] != byte)
		end--;
	return end;
}

/* How many such bytes there are: each byte of a word counts those in its place, for as long as it can. */
static inline __u64 words_count(const __u8 *at, const __u8 *end, __u8 byte)
{
	__u64 wanted = byte * WORDS_ONES, count = 0;

	while (end - at >= 8) {
		__u64 words = (__u64)(end - at) / 8, counts = 0;

		words = words < 255 ? words : 255;
		for (__u64 i = 0; i < words; i++) {
			__u64 other = CSD_LOAD_64(at + 8 * i) ^ wanted;

			counts += WORDS_ALL_ZEROS(other) >> 7;
		}
		counts = (counts & 0x00ff00ff00ff00ffULL) + (counts >> 8 & 0x00ff00ff00ff00ffULL);
		count += counts * 0x0001000100010001ULL >> 48;
		at += 8 * words;
	}
	for (; at < end; at++)
		count += *at == byte;
	return count;
}

#endif
