/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "csd_isa.h"
#include "csd_object.h"

void
csd_object_free(struct csd_object *object)
{
	free(object->insns);
	free(object->area);
	for (uint32_t i = 0; i < CSD_AREAS; i++) {
		free(object->areas[i].bytes);
	}
	*object = (struct csd_object) {.insns = NULL};
}

const struct csd_function *
csd_object_function(const struct csd_object *object, uint32_t at)
{
	uint32_t low = 0, high = object->function_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (at >= object->functions[middle].end) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low < object->function_count ? &object->functions[low] : NULL;
}

bool
csd_object_calls(const struct csd_object *object, int32_t helper)
{
	for (uint32_t at = 0; at < object->count; at++) {
		const struct csd_insn *insn = &object->insns[at];

		if (insn->code == (BPF_JMP | BPF_CALL) && insn->src == CSD_CALL_HELPER && insn->imm == helper) {
			return true;
		}
		at += insn->code == CSD_LD_IMM64;
	}
	return false;
}

int
csd_object_refuse(const struct csd_object *object, uint32_t at, char reason[CSD_REASON_BYTES], const char *format, ...)
{
	const struct csd_function *function = csd_object_function(object, at);
	char text[CSD_REASON_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (function == NULL) {
		return csd_refuse(reason, "instruction %u: %s", at, text);
	}
	return csd_refuse(reason, "instruction %u of %s, in %s: %s", at - function->section_begin, function->section,
			  function->name, text);
}
