/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* How often each byte occurs. */
#include "loop.h"

static __u64 bins[256];

LOOP(byte_histogram, __u8, __u64)
{
	__u64 result = 0;

	(void)out;
	for (__u64 i = 0; i < bytes; i++)
		bins[data[i]]++;
	/* Empty for the next run: before the loop above, clang would ask for a memset that it then refuses. */
	for (__u64 i = 0; i < 256; i++) {
		result = result * 31 + bins[i];
		bins[i] = 0;
	}
	return result;
}
