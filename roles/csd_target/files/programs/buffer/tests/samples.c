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
