/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Lines of numbers with commas between: the sum of the second column. */
#include "loop.h"

LOOP(csv_column, char, __u8)
{
	__u64 sum = 0, number = 0, column = 0;

	(void)out;
	for (__u64 i = 0; i < bytes; i++) {
		char c = data[i];

		if (c == ',' || c == '\n') {
			if (column == 1)
				sum += number;
			column = c == '\n' ? 0 : column + 1;
			number = 0;
		} else if (c >= '0' && c <= '9') {
			number = number * 10 + (c - '0');
		}
	}
	return sum;
}
