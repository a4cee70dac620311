/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Lines of a text that comes in parts. A line and its line feed are at most CSD_LINE_BYTES long. Longer ones are counted and
 * skipped, so that no part need ever be longer than CSD_LINE_BYTES + 1. The last line may have no line feed.
 */
#ifndef LINES_H
#define LINES_H

#include "csd_programs.h"
#include "words.h"

struct lines {
	const __u8 *at;		/* whole lines: from here ... */
	const __u8 *stop;	/* ... up to here, at most CSD_LINE_BYTES */
	const __u8 *end;	/* of the part */
	__u64 last;		/* part of the input */
	__u64 too_long;		/* lines that were skipped */
};

static __u64 lines_skipping;	/* a line that is too long, which began in a part before */

static inline void lines_begin(struct lines *lines, const struct csd_context *context)
{
	lines->at = lines->stop = context->begin;
	lines->end = context->end;
	lines->last = context->flags & CSD_LAST;
	lines->too_long = 0;
}

/* Goes on with a line that is too long. False: it ends in none of this part's bytes. */
static inline int lines_skip(struct lines *lines)
{
	lines->at = words_find(lines->at, lines->end, '\n');
	if (lines->at == lines->end)
		return 0;
	lines->at++;
	lines_skipping = 0;
	return 1;
}

/* What begins at lines->at is too long. */
static inline void lines_give_up(struct lines *lines)
{
	lines->too_long++;
	lines->at += CSD_LINE_BYTES;
	lines_skipping = 1;
}

/* The lines behind lines->at: how many, is how it fits. False: what is left is for the next part. */
static inline int lines_next(struct lines *lines)
{
	for (;;) {
		__u64 left;

		if (lines_skipping && !lines_skip(lines))
			return 0;
		left = lines->end - lines->at;
		if (lines->last && left <= CSD_LINE_BYTES) {
			lines->stop = lines->end;
			return left > 0;
		}
		/* Where the last line that begins in so many bytes ends in them, no line is longer. */
		lines->stop = words_behind_last(lines->at, lines->at + (left < CSD_LINE_BYTES ? left : CSD_LINE_BYTES), '\n');
		if (lines->stop > lines->at)
			return 1;
		if (left <= CSD_LINE_BYTES)
			return 0;
		lines_give_up(lines);
	}
}

#endif
