/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The newest lines that a slot's program wrote with bpf_printk(). They come from a process that may write anything, so each
 * byte that cannot be printed is escaped. Plain: knows nothing of SPDK.
 */
#ifndef CSD_TRACE_H
#define CSD_TRACE_H

#include <stddef.h>
#include <stdint.h>

#define CSD_TRACE_BYTES	16384

struct csd_trace {
	uint64_t written;	/* characters so far: the place of the next one. It only grows */
	uint64_t first;		/* place of the oldest that may be read */
	uint64_t lost;		/* bytes for which a program's process had no room */
	char text[CSD_TRACE_BYTES];
};

/* What one part of a run wrote: whole lines but for the last, which is ended. Another byte than ' ' to '~' and the line's end: \x0a. */
void csd_trace_add(struct csd_trace *trace, const uint8_t *bytes, size_t length, uint64_t lost);

/*
 * What is there from place `from` on, as a string, and in *next where to go on. *missed: characters between the two that are
 * gone, or were cleared. A `from` that is not reached yet begins with the oldest.
 */
void csd_trace_read(const struct csd_trace *trace, uint64_t from, char to[CSD_TRACE_BYTES + 1], uint64_t *next, uint64_t *missed);

/* What there is now is not read any more. */
void csd_trace_clear(struct csd_trace *trace);

#endif
