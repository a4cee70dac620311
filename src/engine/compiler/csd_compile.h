/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What the parts of csd_compile share: its limits, how it ends, and how it says why. */
#ifndef CSD_COMPILE_H
#define CSD_COMPILE_H

#include <stdint.h>

#include "csd_code.h"

/* As exit status. Of several the first to be met counts. */
enum compile_end {
	COMPILE_DONE = 0,
	COMPILE_REFUSED = 1,	/* the program is not one, or too large */
	COMPILE_OVER = 2,	/* a limit, at -O1 too */
	COMPILE_FAILED = 3,	/* all else: no compiler, no room, ... */
};

struct compile_limits {
	uint32_t cpu_seconds;		/* of gcc at -O3 */
	uint32_t fallback_cpu_seconds;	/* at -O1; and of each step behind it */
	uint32_t memory_megabytes;	/* of each process */
	uint32_t output_megabytes;	/* of each file */
	uint32_t blob_megabytes;
	uint32_t seconds;		/* of all together, on the clock */
};

struct compile_options {
	struct compile_limits limits;
	const char *path;	/* folders in which gcc and binutils are looked for */
};

/* Writes the reason and returns `end`, so that `return compile_say(...)` ends. */
enum compile_end compile_say(enum compile_end end, char reason[CSD_REASON_BYTES], const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
