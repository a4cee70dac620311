/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "reference.h"

__int128
reference_number(const uint8_t *at, uint32_t type)
{
	uint32_t bytes = 1 << (type & 3);
	__int128 number = 0;

	for (uint32_t i = 0; i < bytes; i++) {
		number |= (__int128)at[i] << 8 * i;
	}
	if (type >= CSD_S8 && (at[bytes - 1] & 0x80) != 0) {
		number -= (__int128)1 << 8 * bytes;
	}
	return number;
}

uint64_t
reference_line(const struct job *job, uint64_t at)
{
	uint64_t end = at;

	while (end < job->bytes && job->input[end] != '\n') {
		end++;
	}
	return end - at + (end < job->bytes);
}
