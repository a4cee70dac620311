/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The table of lines of a blob, from what binutils say of the program that it is made of. Lines of file "ebpf" are
 * instructions (csd_emit.c), those of "drive" are none. All others are the prelude's: of those it is asked for which
 * instruction it was compiled in, and what stands for itself is none either.
 */
#ifndef CSD_LINES_H
#define CSD_LINES_H

#include <stdio.h>

#include "csd_blob.h"

struct csd_lines {
	struct csd_blob_line *lines;	/* free() */
	uint32_t count;
	uint32_t unknown;		/* of them: to be asked for */
};

/* From `objdump --dwarf=decodedline`. 0, -ENOMEM, -EFBIG, or -EINVAL: not one line. */
int csd_lines_read(FILE *in, struct csd_lines *lines);

/* The addresses that are to be asked for, one a line: `addr2line -a -i` tells of them in this order. */
void csd_lines_ask(const struct csd_lines *lines, FILE *out);
void csd_lines_answer(struct csd_lines *lines, FILE *in);

/* Takes neighbours of one instruction together. 0 or -EFBIG: more lines than a blob may have. */
int csd_lines_finish(struct csd_lines *lines);

#endif
