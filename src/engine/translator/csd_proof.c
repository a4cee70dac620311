/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "csd_helper.h"
#include "csd_isa.h"
#include "csd_proof.h"
#include "csd_verify.h"

static void
proof_say(struct csd_proof *proof, const struct csd_object *object, enum csd_proof_kind kind, uint32_t at, const char *words)
{
	proof->kind = kind;
	proof->instruction = at;
	csd_object_refuse(object, at, proof->words, "%s", words);
}

/* What the verifier does not know: it takes one function, with parameters, state and record. */
static void
proof_strange(const struct csd_object *object, uint32_t at, char words[CSD_REASON_BYTES])
{
	const struct csd_insn *insn = &object->insns[at];
	const struct csd_helper *helper;

	words[0] = '\0';
	if (insn->code == (BPF_JMP | BPF_CALL)) {
		helper = insn->src == CSD_CALL_HELPER ? csd_helper_numbered(insn->imm) : NULL;
		if (helper != NULL) {
			csd_refuse(words, "calls helper %d, %s", insn->imm, helper->name);
		} else {
			csd_refuse(words, "calls a function (__always_inline helps)");
		}
	} else if (insn->code == CSD_LD_IMM64) {
		switch (object->area[at]) {
		case CSD_AREA_GLOBALS:
			csd_refuse(words, "uses variables of its own (.data, .bss)");
			break;
		case CSD_AREA_CONSTANTS:
			csd_refuse(words, "uses constants of its own (.rodata)");
			break;
		case CSD_AREA_FUNCTION:
			csd_refuse(words, "uses the address of a function");
			break;
		case CSD_AREA_MAP:
			csd_refuse(words, "uses a map");
			break;
		}
	}
}

/* Whether all of it is what the verifier knows. */
static bool
proof_known(const struct csd_object *object, struct csd_proof *proof)
{
	const struct csd_function *entry = &object->functions[object->entry];
	char words[CSD_REASON_BYTES];

	if (strcmp(object->kind, "csd/record") != 0) {
		proof->kind = CSD_NOT_PROVED;
		csd_refuse(proof->words, "it is %s: the verifier knows csd/record", object->kind);
		return false;
	}
	for (uint32_t at = entry->begin; at < entry->end; at++) {
		proof_strange(object, at, words);
		if (words[0] != '\0') {
			proof_say(proof, object, CSD_NOT_PROVED, at, words);
			return false;
		}
		at += object->insns[at].code == CSD_LD_IMM64;
	}
	if (entry->end - entry->begin > CSD_MAX_INSTRUCTIONS) {
		proof->kind = CSD_NOT_PROVED;
		csd_refuse(proof->words, "%u instructions: the verifier looks at %u", entry->end - entry->begin, CSD_MAX_INSTRUCTIONS);
		return false;
	}
	return true;
}

/* As the verifier has instructions: how they name variables is csd_code.h's. */
static void
proof_translate(const struct csd_object *object, struct csd_code *code)
{
	uint32_t begin = object->functions[object->entry].begin;

	for (uint32_t i = 0; i < code->count; i++) {
		enum csd_area area = object->area[begin + i];
		struct csd_insn *insn = &code->insns[i];

		*insn = object->insns[begin + i];
		if (insn->code != CSD_LD_IMM64) {
			continue;
		}
		i++;
		insn[1] = object->insns[begin + i];
		if (area == CSD_AREA_NONE) {
			continue;
		}
		/* An offset beyond 31 bits is beyond both: that it is cut off is nothing that could make it right. */
		insn[1].imm = insn[1].imm != 0 || insn->imm < 0 ? INT32_MAX : insn->imm;
		insn->src = CSD_EXTERN;
		insn->imm = area == CSD_AREA_PARAMETERS ? CSD_EXTERN_PARAMETERS : CSD_EXTERN_STATE;
	}
}

int
csd_prove(const struct csd_object *object, struct csd_proof *proof)
{
	const struct csd_function *entry = &object->functions[object->entry];
	struct csd_code code = {.geometry = object->geometry, .count = entry->end - entry->begin,
				.first = entry->begin - entry->section_begin};
	struct csd_doubt doubt;
	int rc;

	*proof = (struct csd_proof) {.instruction = -1};
	if (!proof_known(object, proof)) {
		return 0;
	}
	code.insns = calloc(code.count, sizeof(*code.insns));
	if (code.insns == NULL) {
		return -ENOMEM;
	}
	proof_translate(object, &code);
	rc = csd_verify(&code, &doubt);
	free(code.insns);
	if (rc == -EINVAL) {
		proof_say(proof, object, doubt.certain ? CSD_CERTAIN_FAULT : CSD_NOT_PROVED, entry->begin + doubt.instruction, doubt.words);
		return 0;
	}
	proof->kind = CSD_PROVED;
	return rc;
}

const char *
csd_proof_name(enum csd_proof_kind kind)
{
	switch (kind) {
	case CSD_PROOF_NONE:
		return "";
	case CSD_PROVED:
		return "proved";
	case CSD_NOT_PROVED:
		return "not proved";
	case CSD_CERTAIN_FAULT:
		return "certain fault";
	}
	return "";
}
