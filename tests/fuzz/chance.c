/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <string.h>

#include "chance.h"

uint64_t chance;

static uint64_t
chance_mixed(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint64_t
chance_of(uint64_t seed, uint64_t stream)
{
	return chance_mixed(seed ^ chance_mixed(stream + 0x9e3779b97f4a7c15));
}

uint64_t
draw(void)
{
	return chance_mixed(chance += 0x9e3779b97f4a7c15);
}

uint32_t
below(uint32_t limit)
{
	return (uint32_t)(draw() % limit);
}

bool
one_in(uint32_t n)
{
	return below(n) == 0;
}

uint32_t
border(void)
{
	static const uint32_t values[] = {
		0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 511, 512, 999, 1000, 1001,
		1023, 1024, 4095, 4096, 4097, 0x7fff, 0x8000, 0xffff, 0x10000, 0x10001, 0x20000, 0xfffff, 0x100000, 0x100001,
		0x7fffffff, 0x80000000, 0xfffff804, 0xfffffffc, 0xffffffff,
	};

	return one_in(4) ? (uint32_t)draw() : one_of(values);
}

void
fill(void *bytes, size_t length)
{
	uint8_t *at = bytes;

	while (length > 0) {
		uint64_t value = draw();
		size_t part = length < sizeof(value) ? length : sizeof(value);

		memcpy(at, &value, part);
		at += part;
		length -= part;
	}
}
