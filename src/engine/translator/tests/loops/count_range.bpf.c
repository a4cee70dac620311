/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* How many numbers lie in a range. */
#include "loop.h"

LOOP(count_range, __u32, __u8)
{
	__u64 count = 0;

	(void)out;
	for (__u64 i = 0; i < bytes / 4; i++)
		count += data[i] >= 1000000000 && data[i] < 3000000000u;
	return count;
}
