/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* enum csd_emit in words, as JSON has it. */
#ifndef CSD_EMIT_H
#define CSD_EMIT_H

#include <stdint.h>
#include <string.h>

#define CSD_EMIT_NAMES	{ "record", "offset", "nothing" }

static inline const char *
csd_emit_name(uint32_t emit)
{
	static const char *const names[] = CSD_EMIT_NAMES;

	return emit < sizeof(names) / sizeof(names[0]) ? names[emit] : "unknown";
}

/* 0, or -1: no such name. */
static inline int
csd_emit_parse(const char *name, uint32_t *emit)
{
	static const char *const names[] = CSD_EMIT_NAMES;

	for (*emit = 0; *emit < sizeof(names) / sizeof(names[0]); ++*emit) {
		if (strcmp(names[*emit], name) == 0) {
			return 0;
		}
	}
	return -1;
}

#endif
