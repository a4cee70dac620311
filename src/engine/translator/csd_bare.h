/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * A bare stream of instructions, which cannot tell its geometry, with one in front of it: what csd_object_read() takes beside
 * ELF. It is one function of kind csd/record; csd_code.h says how it names its parameters and its state.
 */
#ifndef CSD_BARE_H
#define CSD_BARE_H

#include "csd_object.h"

#define CSD_BARE_MAGIC		"CSDBARE"

struct csd_bare {
	char magic[8];		/* CSD_BARE_MAGIC */
	struct csd_geometry geometry;
};

bool csd_is_bare(const void *bytes, size_t length);
int csd_bare_read(const void *bytes, size_t length, struct csd_object *object, char reason[CSD_REASON_BYTES]);

#endif
