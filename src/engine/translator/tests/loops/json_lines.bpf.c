/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* JSON lines: how many have the wanted value behind a name, strings and escapes minded. */
#include "loop.h"

static const char name[] = "level";

LOOP(json_lines, char, __u8)
{
	__u64 found = 0, at = 0;

	(void)out;
	while (at < bytes) {
		__u64 begin, same = 1;

		if (data[at++] != '"')
			continue;
		begin = at;
		while (at < bytes && data[at] != '"')
			at += data[at] == '\\' ? 2 : 1;
		if (at - begin != sizeof(name) - 1 || at + 2 >= bytes) {
			at++;
			continue;
		}
		for (__u64 i = 0; i < sizeof(name) - 1; i++)
			same &= data[begin + i] == name[i];
		at++;
		if (same && data[at] == ':' && data[at + 1] == '7')
			found++;
	}
	return found;
}
