/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Lines that begin with a word: a string literal, and the comparison that clang calls by its name. */
#include "csd_bpf.h"

struct text_line {
	char text[64];
};

CSD_RECORD(struct text_line, sizeof(struct text_line), CSD_EMIT_RECORD);

static const char beginning[] = "ERROR: disk failure, slot";

CSD_PROGRAM
int error_line(const struct text_line *line)
{
	if (__builtin_memcmp(line->text, beginning, sizeof(beginning) - 1) != 0)
		return CSD_DROP;
	return CSD_KEEP;
}
