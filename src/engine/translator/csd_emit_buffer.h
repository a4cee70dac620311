/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_EMIT_BUFFER_H
#define CSD_EMIT_BUFFER_H

#include <stdio.h>

#include "csd_object.h"

/* The way into a program of kind csd/buffer (csd_call.h): it gets a csd_context that is made of the call. */
void csd_emit_buffer(FILE *out, const struct csd_object *object, uint32_t id);

#endif
