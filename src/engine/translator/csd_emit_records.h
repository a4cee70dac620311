/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_EMIT_RECORDS_H
#define CSD_EMIT_RECORDS_H

#include <stdio.h>

#include "csd_object.h"

/*
 * The way into a program of kind csd/record (csd_call.h), with the loop over records around it: csd_prelude_records.h has
 * it, here come the constants.
 */
void csd_emit_records(FILE *out, const struct csd_object *object, uint32_t id);

#endif
