/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_EMIT_INSN_H
#define CSD_EMIT_INSN_H

#include <stdio.h>

#include "csd_object.h"

struct csd_emitter {
	FILE *out;
	const struct csd_object *object;
	uint32_t id;
	const uint16_t *narrow;		/* csd_narrow.h, of each instruction */
};

/* One instruction as one line of C. */
void csd_emit_insn(const struct csd_emitter *emitter, uint32_t at);

/* By which an area is known in C, behind csd_ID_. */
const char *csd_emit_area_name(enum csd_area area);

#endif
