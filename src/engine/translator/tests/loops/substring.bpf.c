/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Where a word begins in a text. */
#include "loop.h"

static const char word[] = "failure";

LOOP(substring, char, __u8)
{
	__u64 found = 0;

	(void)out;
	for (__u64 at = 0; at + sizeof(word) - 1 <= bytes; at++) {
		__u64 same = 0;

		if (data[at] != word[0])
			continue;
		while (same < sizeof(word) - 1 && data[at + same] == word[same])
			same++;
		if (same == sizeof(word) - 1)
			found += at;
	}
	return found;
}
