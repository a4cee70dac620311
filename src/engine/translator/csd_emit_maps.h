/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_EMIT_MAPS_H
#define CSD_EMIT_MAPS_H

#include <stdio.h>

#include "csd_object.h"

/*
 * The program's maps, and the helpers for them: csd_prelude_maps.h has what they do, here come the constants. Maps are
 * memory of the program like its variables, and begin each run empty as those do.
 */
void csd_emit_maps(FILE *out, const struct csd_object *object, uint32_t id);

#endif
