/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Copies the records that match, one behind the other. */
#include "loop.h"

struct row {
	__u64 key;
	__u64 value;
};

LOOP(filter, struct row, struct row)
{
	__u64 kept = 0;

	for (__u64 i = 0; i < bytes / sizeof(*data); i++) {
		if ((data[i].key & 7) == 3)
			out[kept++] = data[i];
	}
	return kept;
}
