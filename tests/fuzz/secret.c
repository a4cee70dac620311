/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <string.h>

#include "chance.h"
#include "secret.h"

/* Four bytes again and again: any eight of them in a row are one of four values. */
static uint8_t secret[4];
static uint64_t needles[5];

void
secret_init(uint64_t seed)
{
	uint64_t value = chance_of(seed, UINT64_MAX);
	uint32_t turn, i;

	/* No zero, nothing that text has, no two alike: nothing that an answer has by itself. */
	for (i = 0; i < 4; i++) {
		secret[i] = (uint8_t)(0x80 | i << 5 | (value >> 8 * i & 0x1f));
	}
	for (turn = 0; turn < 4; turn++) {
		uint8_t bytes[8];

		for (i = 0; i < 8; i++) {
			bytes[i] = secret[(turn + i) % 4];
		}
		memcpy(&needles[turn], bytes, 8);
	}
	memset(&needles[4], HEAP_FILL, 8);
}

void
secret_fill(void *bytes, size_t length)
{
	uint8_t *at = bytes;
	size_t i;

	for (i = 0; i < length; i++) {
		at[i] = secret[i % 4];
	}
}

int64_t
secret_find(const void *bytes, size_t length, bool heap)
{
	const uint8_t *at = bytes;
	size_t i;

	for (i = 0; i + 8 <= length; i += 4) {
		uint64_t value;

		memcpy(&value, at + i, 8);
		if (value == needles[0] || value == needles[1] || value == needles[2] || value == needles[3] ||
		    (heap && value == needles[4])) {
			return (int64_t)i;
		}
	}
	return -1;
}
