/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Finds a pattern of 1 to 16 bytes at any position of any input: emits the offset of each place where it begins, also
 * where matches overlap. The pattern is data[0 .. data_bytes), more than 16 bytes count as 16; without data it is
 * the 8 bytes of cparam1, little endian.
 *
 * A window is the 64 positions that it is asked about and the 15 bytes behind them. First all 64 are tried at once for
 * the pattern's first two bytes, eight to a word; only where that finds something is each position looked at.
 */
#include "csd_bpf.h"

#define POSITIONS	64
#define PATTERN_BYTES	16

struct window {
	__u8 bytes[POSITIONS + PATTERN_BYTES - 1];
};

CSD_WINDOW(struct window, POSITIONS);

#define ONES			0x0101010101010101ULL
#define HIGHS			0x8080808080808080ULL

/* The low n bytes of a word, n from 0 to 8. A shift by 64 is undefined, so two shifts. */
#define LOW_BYTES(n)		(~(~0ULL << 4 * (n) << 4 * (n)))

CSD_PROGRAM
int search(const struct window *window)
{
	__u64 given = csd_parameters.data_bytes;
	__u64 length = given == 0 ? 8 : given > PATTERN_BYTES ? PATTERN_BYTES : given;
	__u64 low = given == 0 ? csd_parameters.cparam1 : CSD_LOAD_64(csd_parameters.data);
	__u64 first = (low & 0xff) * ONES;
	__u64 second = (low >> 8 & 0xff) * ONES;
	__u64 second_counts = length > 1 ? ~0ULL : 0;
	__u64 found = 0;
	__u64 high, low_counts, high_counts, position;

	/* One decision here, not one at every use: the verifier walks all ways through a program. */
	CSD_OPAQUE(second_counts);
	CSD_UNROLL
	for (position = 0; position < POSITIONS; position += 8) {
		/* A byte that is zero: the first two bytes are here. The subtraction raises its highest bit. */
		__u64 other = (CSD_LOAD_64(window->bytes + position) ^ first) |
			      ((CSD_LOAD_64(window->bytes + position + 1) ^ second) & second_counts);

		found |= (other - ONES) & ~other;
	}
	if ((found & HIGHS) == 0)
		return CSD_DROP;

	CSD_OPAQUE(window);	/* load again, rather than keep all words on the stack for this rare case */
	high = CSD_LOAD_64(csd_parameters.data + 8);
	low_counts = length < 8 ? LOW_BYTES(length) : ~0ULL;
	high_counts = length > 8 ? LOW_BYTES(length - 8) : 0;
	CSD_OPAQUE(low_counts);
	CSD_OPAQUE(high_counts);
	CSD_UNROLL
	for (position = 0; position < POSITIONS; position++) {
		__u64 other = ((CSD_LOAD_64(window->bytes + position) ^ low) & low_counts) |
			      ((CSD_LOAD_64(window->bytes + position + 8) ^ high) & high_counts);

		if (other == 0)
			break;
	}
	/* Behind the end of the input are zeros, which do not count. */
	if (position == POSITIONS || position + length > csd_parameters.record_bytes)
		return CSD_DROP;
	return CSD_KEEP_AT(position);
}
