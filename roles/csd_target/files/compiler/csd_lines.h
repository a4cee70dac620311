/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_LINES_H
#define CSD_LINES_H

#include <stdio.h>

#include "csd_blob.h"

struct csd_lines {
	struct csd_blob_line *lines;	/* free() */
	uint32_t count;
};

/*
 * The table of lines of a blob, from what `objdump -t --dwarf=decodedline` says of the program that it is made of. Lines of
 * file "ebpf" are instructions (csd_emit.c); those of "drive", and whatever begins a function, are none. What the prelude
 * brought along counts as the instruction in front of it, where it was compiled into a program's function.
 * 0, -ENOMEM, -EFBIG: more lines than a blob may have, or -EINVAL: not one line.
 */
int csd_lines_read(FILE *in, struct csd_lines *out);

#endif
