/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A step of k-means: the nearest of eight centres, by a function of its own, and the sums of its points. */
#include "loop.h"

#define DIMENSIONS	8
#define CENTRES		8

struct point {
	__s32 at[DIMENSIONS];
};

static struct point centres[CENTRES];
static __s64 sums[CENTRES][DIMENSIONS];
static __u64 counts[CENTRES];

static __attribute__((noinline)) __u64
distance(const struct point *a, const struct point *b)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < DIMENSIONS; i++) {
		__s64 apart = (__s64)a->at[i] - b->at[i];

		sum += (__u64)apart * (__u64)apart >> 8;
	}
	return sum;
}

LOOP(kmeans, struct point, __u8)
{
	__u64 result = 0;

	(void)out;
	for (__u32 c = 0; c < CENTRES; c++) {
		counts[c] = 0;
		for (__u32 i = 0; i < DIMENSIONS; i++) {
			centres[c].at[i] = (__s32)((c * 0x20000000 + i * 0x1234567) & 0xffffffff);
			sums[c][i] = 0;
		}
	}
	for (__u64 p = 0; p < bytes / sizeof(*data); p++) {
		__u64 nearest = ~0ull, centre = 0;

		for (__u32 c = 0; c < CENTRES; c++) {
			__u64 far = distance(&data[p], &centres[c]);

			if (far < nearest) {
				nearest = far;
				centre = c;
			}
		}
		counts[centre]++;
		for (__u32 i = 0; i < DIMENSIONS; i++)
			sums[centre][i] += data[p].at[i];
	}
	for (__u32 c = 0; c < CENTRES; c++) {
		for (__u32 i = 0; i < DIMENSIONS; i++)
			result = result * 31 + (__u64)sums[c][i] + counts[c];
	}
	return result;
}
