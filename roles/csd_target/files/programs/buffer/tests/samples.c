/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <string.h>

#include "chance.h"
#include "samples.h"

void
sample_numbers(uint8_t *to, uint64_t bytes)
{
	chance_begin(11, 0);
	for (uint64_t at = 0; at < bytes; at += 8) {
		uint64_t word = chance() << 32 ^ chance();

		memcpy(to + at, &word, bytes - at < 8 ? bytes - at : 8);
	}
}

void
sample_packbits(uint8_t *to, uint64_t bytes)
{
	uint64_t at = 0;

	chance_begin(11, 1);
	while (at < bytes) {
		uint64_t left = bytes - at, length = below(4) == 0 ? 127 : 1 + below(40);

		if (below(30) == 0) {
			to[at++] = 128;
		} else if (below(2) == 0 && left >= 2) {
			to[at++] = 256 - length;
			to[at++] = below(3) == 0 ? chance() : 0;
		} else {
			length = length < left ? length : left - 1;
			to[at++] = length == 0 ? 128 : length - 1;
			for (uint64_t i = 0; i < length; i++) {
				to[at++] = chance();
			}
		}
	}
}

void
sample_sales(uint8_t *to, uint64_t bytes)
{
	chance_begin(11, 2);
	for (uint64_t at = 0; at < bytes; at += 16) {
		uint64_t limit = 1ULL << below(12);
		uint64_t sale[2] = {0x5eed000000000000ULL + below(limit) * 977, below(100000) - 5000};

		memcpy(to + at, sale, bytes - at < 16 ? bytes - at : 16);
	}
}
