/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* How long a program may take for one record, at most. */
#ifndef CSD_COST_H
#define CSD_COST_H

#include "csd_code.h"

/*
 * The dearest way through a verified program, in nanoseconds: there are no loops, so each instruction runs once at most.
 * An estimate from above: a nanosecond for an instruction, 30 for a division, eight times as much where it is
 * interpreted. What a load from memory takes that is in no cache is not in it.
 */
uint32_t csd_cost_longest(const struct csd_code *code, bool jit);

#endif
