/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Finds a pattern of 1 to 16 bytes at any position of any input: emits the offset of each place where it begins, also
 * where matches overlap. The pattern is data[0 .. data_bytes), more than 16 bytes count as 16; a cparam1 from 1 to 16
 * says that only so many of them count. Without data the pattern is the 8 bytes of cparam1, little endian.
 *
 * A window is the 64 positions that it is asked about and the 15 bytes behind them. First all 64 are tried at once for
 * the pattern's first two bytes, eight to a word. Where that finds something, the first such place is looked at; only
 * if it is none, every position is.
 *
 * The verifier walks every way through a program: each branch whose ways join again doubles its work from there on. So
 * there is arithmetic here where a condition would say the same.
 */
#include "csd_bpf.h"

#define POSITIONS	64
#define PATTERN_BYTES	16

struct window {
	__u8 bytes[POSITIONS + PATTERN_BYTES - 1];
};

CSD_WINDOW(struct window, POSITIONS);

#define ONES	0x0101010101010101ULL
#define HIGHS	0x8080808080808080ULL

/* The low n bytes of a word, n from 0 to 8. A shift by 64 is undefined, so two shifts. */
#define LOW_BYTES(n)	(~(~0ULL << 4 * (n) << 4 * (n)))

/* All bits where value < 0, else none. */
static inline __attribute__((always_inline)) __u64 negative(__s64 value)
{
	CSD_OPAQUE(value);
	value >>= 63;
	CSD_OPAQUE(value);
	return value;
}

static inline __attribute__((always_inline)) __u64 smaller(__u64 a, __u64 b)
{
	return b + ((a - b) & negative(a - b));
}

struct pattern {
	__u64 length;
	__u64 low, high;		/* its bytes, with zeros behind, ... */
	__u64 low_counts, high_counts;	/* ... and which of them count */
	__u64 first, second;		/* one of its first two bytes, eight times; where it has one only, that again, */
	__u64 step;			/* ... and where the second one is to be looked for: 0, else 1 */
};

/*
 * The highest bit of a byte is set if the pattern's first two bytes are at that one of eight positions. It may also be
 * set in bytes behind the first such one. Other bits mean nothing.
 */
static inline __attribute__((always_inline)) __u64
try(const __u8 *bytes, const __u8 *stepped, const struct pattern *pattern)
{
	__u64 other = (CSD_LOAD_64(bytes) ^ pattern->first) | (CSD_LOAD_64(stepped) ^ pattern->second);

	/* Zero in a byte: they are here. The subtraction raises its highest bit. */
	return (other - ONES) & ~other;
}

/* Zero if the whole pattern is here. */
static inline __attribute__((always_inline)) __u64
differs(const __u8 *bytes, const struct pattern *pattern)
{
	return ((CSD_LOAD_64(bytes) ^ pattern->low) & pattern->low_counts) |
	       ((CSD_LOAD_64(bytes + 8) ^ pattern->high) & pattern->high_counts);
}

/* Of the lowest bit that is set, which is the highest of a byte: the number of that byte. */
static inline __attribute__((always_inline)) __u64 first_byte(__u64 bits)
{
	return CSD_BOUND(((bits & -bits) >> 7) * 0x0001020304050607ULL >> 56, 7);
}

CSD_PROGRAM
int search(const struct window *window)
{
	__u64 given = csd_parameters.data_bytes;
	__u64 none = negative((__s64)given - 1);
	__u64 position, at, found = 0;
	const __u8 *stepped;
	struct pattern pattern;

	/* 0 counts as 16. */
	pattern.length = (smaller(given, ((csd_parameters.cparam1 - 1) & (PATTERN_BYTES - 1)) + 1) & ~none) + (none & 8);
	pattern.low = (csd_parameters.cparam1 & none) | CSD_LOAD_64(csd_parameters.data);	/* zero, where none is given */
	pattern.first = (pattern.low & 0xff) * ONES;
	pattern.step = CSD_BOUND(negative(1 - (__s64)pattern.length), 1);
	pattern.second = (pattern.low >> 8 * pattern.step & 0xff) * ONES;
	stepped = window->bytes + pattern.step;
	CSD_OPAQUE(stepped);
	CSD_UNROLL
	for (position = 0; position < POSITIONS; position += 8)
		found |= try(window->bytes + position, stepped + position, &pattern);
	if ((found & HIGHS) == 0)
		return CSD_DROP;

	CSD_OPAQUE(window);	/* load again, rather than keep all words on the stack for this rarer case */
	pattern.high = CSD_LOAD_64(csd_parameters.data + 8);
	pattern.low_counts = LOW_BYTES(smaller(pattern.length, 8));
	pattern.high_counts = LOW_BYTES(pattern.length - smaller(pattern.length, 8));
	CSD_OPAQUE(pattern.low_counts);
	CSD_OPAQUE(pattern.high_counts);
	CSD_UNROLL
	for (position = 0; position < POSITIONS; position += 8) {
		found = try(window->bytes + position, stepped + position, &pattern) & HIGHS;
		if (found == 0)
			continue;
		at = first_byte(found);
		if (differs(window->bytes + position + at, &pattern) != 0)
			break;
		position += at;
		goto found;
	}
	CSD_OPAQUE(window);
	CSD_UNROLL
	for (position = 0; position < POSITIONS; position++) {
		if (differs(window->bytes + position, &pattern) == 0)
			goto found;
	}
	return CSD_DROP;

found:
	/* Behind the end of the input are zeros, which do not count. */
	if (position + pattern.length > csd_parameters.record_bytes)
		return CSD_DROP;
	return CSD_KEEP_AT(position);
}
