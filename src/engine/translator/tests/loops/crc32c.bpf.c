/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* CRC-32C by a table. */
#include "loop.h"

static __u32 table[256];

LOOP(crc32c, __u8, __u8)
{
	__u32 crc = ~0u;

	(void)out;
	for (__u32 i = 0; i < 256; i++) {
		__u32 rest = i;

		for (int bit = 0; bit < 8; bit++)
			rest = rest & 1 ? rest >> 1 ^ 0x82f63b78u : rest >> 1;
		table[i] = rest;
	}
	for (__u64 i = 0; i < bytes; i++)
		crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
	return ~crc;
}
