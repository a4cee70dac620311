/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "csd_bare.h"
#include "csd_geometry.h"
#include "csd_isa.h"

bool
csd_is_bare(const void *bytes, size_t length)
{
	return length >= sizeof(struct csd_bare) && memcmp(bytes, CSD_BARE_MAGIC, sizeof(CSD_BARE_MAGIC)) == 0;
}

/* The addresses of parameters and state, as a csd_object has them. */
static int
bare_resolve(struct csd_object *object, char *reason)
{
	for (uint32_t at = 0; at + 1 < object->count; at++) {
		struct csd_insn *insn = &object->insns[at];

		if (insn->code != CSD_LD_IMM64) {
			continue;
		}
		if (insn->src == CSD_EXTERN) {
			if (insn->imm != CSD_EXTERN_PARAMETERS && insn->imm != CSD_EXTERN_STATE) {
				return csd_object_refuse(object, at, reason, "variable %d does not exist", insn->imm);
			}
			object->area[at] = insn->imm == CSD_EXTERN_PARAMETERS ? CSD_AREA_PARAMETERS : CSD_AREA_STATE;
			if ((uint32_t)insn[1].imm > object->areas[object->area[at]].length) {
				return csd_object_refuse(object, at, reason, "variable %d has no byte %u", insn->imm,
							 (uint32_t)insn[1].imm);
			}
			insn->src = 0;
			insn->imm = insn[1].imm;
			insn[1].imm = 0;
		}
		at++;
	}
	return 0;
}

int
csd_bare_read(const void *bytes, size_t length, struct csd_object *object, char reason[CSD_REASON_BYTES])
{
	const uint8_t *insns = (const uint8_t *)bytes + sizeof(struct csd_bare);
	size_t insn_bytes = length - sizeof(struct csd_bare);
	struct csd_bare bare;
	int rc;

	memcpy(&bare, bytes, sizeof(bare));
	rc = csd_geometry_check(&bare.geometry, reason);
	if (rc != 0) {
		return rc;
	}
	if (insn_bytes == 0 || insn_bytes % sizeof(*object->insns) != 0) {
		return csd_refuse(reason, "a program is instructions of %zu bytes: %zu bytes are none", sizeof(*object->insns), insn_bytes);
	}
	if (insn_bytes / sizeof(*object->insns) > CSD_TRANSLATOR_INSTRUCTIONS) {
		return csd_refuse(reason, "%zu instructions; at most %u are possible", insn_bytes / sizeof(*object->insns),
				  CSD_TRANSLATOR_INSTRUCTIONS);
	}
	object->insns = malloc(insn_bytes);
	object->area = calloc(insn_bytes / sizeof(*object->insns), 1);
	if (object->insns == NULL || object->area == NULL) {
		return -ENOMEM;
	}
	memcpy(object->insns, insns, insn_bytes);
	object->count = (uint32_t)(insn_bytes / sizeof(*object->insns));
	strcpy(object->kind, "csd/record");
	object->geometry = bare.geometry;
	object->areas[CSD_AREA_PARAMETERS].length = sizeof(struct csd_parameters);
	object->areas[CSD_AREA_STATE].length = bare.geometry.state_bytes;
	object->function_count = 1;
	object->functions[0] = (struct csd_function) {.name = "program", .section = "csd/record", .end = object->count};
	return bare_resolve(object, reason);
}
