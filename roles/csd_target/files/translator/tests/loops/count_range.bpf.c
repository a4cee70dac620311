/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* How many numbers lie in a range. */
#include "loop.h"

LOOP
__u64 count_range(const __u32 *data, __u64 bytes, __u8 *out)
{
	__u64 count = 0;

	(void)out;
	for (__u64 i = 0; i < bytes / 4; i++)
		count += data[i] >= 1000000000 && data[i] < 3000000000u;
	return count;
}
