/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * eBPF to C. Of the program come nothing but integers: no name, no text. One C function stands for each eBPF function,
 * its registers are local variables, its frame is an array, its jumps are gotos.
 */
#ifndef CSD_EMIT_H
#define CSD_EMIT_H

#include <stdio.h>

#include "csd_object.h"

/* Once, at the head of the file. */
void csd_emit_prelude(FILE *out);

/*
 * A program that csd_check() took. Several can stand in a file, told apart by `id`. Visible outside are its way in,
 *	void csd_ID_call(struct csd_call *call);
 * as csd_call.h describes it, and the memory that it has, where it is not empty: csd_ID_parameters, csd_ID_state,
 * csd_ID_globals, csd_ID_constants. An object of no kind, as tests make them, has the bare function instead:
 *	uint64_t csd_ID_program(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5);
 * 0 or -ENOMEM. Errors of `out` are its owner's to look for (ferror).
 */
int csd_emit_program(FILE *out, const struct csd_object *object, uint32_t id);

#endif
