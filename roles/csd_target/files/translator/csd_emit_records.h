/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_EMIT_RECORDS_H
#define CSD_EMIT_RECORDS_H

#include <stdio.h>

#include "csd_object.h"

/*
 * Bytes ahead of the record at hand that are fetched, a page: what CPUs fetch by themselves ends with the page. Not for
 * records of which several lie in a cache line: a fetch for each costs more than it gives, and keeps a compiler from
 * making vectors of the loop.
 */
#define CSD_RECORDS_AHEAD	4096
#define CSD_RECORDS_LINE	64

/*
 * The loop over records around a program of kind csd/record, which then is compiled into it, with stride and emission as
 * constants:
 *	void csd_ID_records(struct csd_loop_cursor *cursor);
 * as csd_loop.h describes it. None for a program with CSD_POSITIONS or CSD_EMIT_OFFSET: their loops do more.
 */
void csd_emit_records(FILE *out, const struct csd_object *object, uint32_t id);

#endif
