/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What the loops go over, the same each time: numbers, or lines of CSV and JSON with a word to look for. */
#ifndef DATA_H
#define DATA_H

#include <stdbool.h>
#include <string.h>

#include "chance.h"

static inline void
loop_fill(uint8_t *data, uint64_t length, bool text)
{
	static const char *const pieces[] = {
		"\"level\":7,", "\"level\":6,", "\"le\\\"vel\":7,", "\n", "12,345,6\n", "9,88,7", "failure", "fail", ",", "\"", "x",
	};

	chance_begin(3, text);
	for (uint64_t i = 0; i < length;) {
		const char *piece = pieces[below(sizeof(pieces) / sizeof(pieces[0]))];
		uint64_t word = chance(), bytes = text ? strlen(piece) : 8;

		memcpy(data + i, text ? piece : (const char *)&word, bytes < length - i ? bytes : length - i);
		i += bytes;
	}
}

#endif
