/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Sum, least and greatest. */
#include "loop.h"

LOOP(extremes, __u32, __u8)
{
	__u32 least = ~0u, greatest = 0;
	__u64 sum = 0;

	(void)out;
	for (__u64 i = 0; i < bytes / 4; i++) {
		sum += data[i];
		if (data[i] < least)
			least = data[i];
		if (data[i] > greatest)
			greatest = data[i];
	}
	return sum ^ (__u64)least << 32 ^ greatest;
}
