/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* GROUP BY in a hash table with open addressing. */
#include "loop.h"

#define SLOTS	4096

struct sale {
	__u64 key;
	__u64 amount;
};

struct group {
	__u64 key;
	__u64 count;
	__u64 sum;
};

static struct group groups[SLOTS];

LOOP(group_by, struct sale, __u8)
{
	__u64 result = 0;

	(void)out;
	for (__u64 i = 0; i < SLOTS; i++)
		groups[i].count = 0;
	for (__u64 i = 0; i < bytes / sizeof(*data); i++) {
		__u64 key = data[i].key % 1021;
		__u64 slot = key * 0x9e3779b97f4a7c15ull >> 52;

		while (groups[slot].count != 0 && groups[slot].key != key)
			slot = (slot + 1) % SLOTS;
		groups[slot].key = key;
		groups[slot].count++;
		groups[slot].sum = groups[slot].count == 1 ? data[i].amount : groups[slot].sum + data[i].amount;
	}
	for (__u64 i = 0; i < SLOTS; i++) {
		if (groups[i].count != 0)
			result = result * 31 + groups[i].sum + groups[i].key;
	}
	return result;
}
