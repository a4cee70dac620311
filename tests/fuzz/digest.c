/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <nmmintrin.h>
#include <string.h>

#include "digest.h"

/* SSE 4.2 is part of the CPUs that the lab asks for. */
uint32_t
digest(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint64_t crc = 0xffffffff;

	for (; length >= 8; at += 8, length -= 8) {
		uint64_t value;

		memcpy(&value, at, 8);
		crc = _mm_crc32_u64(crc, value);
	}
	while (length-- > 0) {
		crc = _mm_crc32_u8((uint32_t)crc, *at++);
	}
	return ~(uint32_t)crc;
}
