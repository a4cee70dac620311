/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_COMPILE_TOOL_H
#define CSD_COMPILE_TOOL_H

#include <stddef.h>

#include "csd_compile.h"

/* The whole of a file, with a zero behind it, which `length` does not count; NULL with errno, EFBIG above `most` bytes. */
char *compile_read_file(const char *path, size_t most, size_t *length);

/* Whether gcc, as, ld, objcopy, objdump and addr2line are there. COMPILE_FAILED with what is missing. */
enum compile_end compile_find_tools(const struct compile_options *options, char reason[CSD_REASON_BYTES]);

/*
 * Runs a tool in the working directory to its end, under the limits; `out` gets what it prints. COMPILE_OVER with the limit that
 * it met, COMPILE_FAILED with its own first words.
 */
enum compile_end compile_run(const struct compile_options *options, uint32_t cpu_seconds, const char *const argv[],
			     const char *out, char reason[CSD_REASON_BYTES]);

#endif
