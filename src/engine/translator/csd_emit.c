/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "csd_emit.h"
#include "csd_emit_buffer.h"
#include "csd_emit_insn.h"
#include "csd_emit_maps.h"
#include "csd_emit_records.h"
#include "csd_helper.h"
#include "csd_isa.h"
#include "csd_narrow.h"

/* csd_prelude.h and what follows it, as they stand. */
static const char prelude[] =
#include "csd_prelude.inc"
;

/* What they know from headers that they cannot include. */
static const struct {
	const char *name;
	size_t value;
} constants[] = {
	{"CSD_KEEP", CSD_KEEP},
	{"CSD_STOP", CSD_STOP},
	{"CSD_EMIT_RECORD", CSD_EMIT_RECORD},
	{"CSD_EMIT_OFFSET", CSD_EMIT_OFFSET},
	{"CSD_RECORD_BYTES_AT", offsetof(struct csd_parameters, record_bytes)},
};

void
csd_emit_prelude(FILE *out)
{
	for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
		fprintf(out, "#define %s %zu\n", constants[i].name, constants[i].value);
	}
	fputs(prelude, out);
}

/* As words: a MiB of bytes, one by one, takes a compiler long. The rest of the array is zero. */
static void
emit_area(FILE *out, const struct csd_area_content *content, uint32_t id, enum csd_area area)
{
	uint64_t words = (content->length + 7) / 8;

	if (words == 0) {
		return;
	}
	fprintf(out, "CSD_AREA %su64 csd_%u_%s[%llu]", area == CSD_AREA_CONSTANTS ? "const " : "", id, csd_emit_area_name(area),
		(unsigned long long)words);
	if (content->given > 0) {
		fputs(" = {\n", out);
		for (uint64_t at = 0; at < content->given; at += 8) {
			uint64_t word = 0, left = content->given - at;

			memcpy(&word, content->bytes + at, left < 8 ? left : 8);
			fprintf(out, "0x%llxULL,%s", (unsigned long long)word, at % 64 == 56 ? "\n" : " ");
		}
		fputs("}", out);
	}
	fputs(";\n", out);
}

static void
emit_head(FILE *out, uint32_t id, uint32_t function)
{
	fprintf(out, "static u64 csd_%u_f%u(u64 r1, u64 r2, u64 r3, u64 r4, u64 r5)", id, function);
}

static bool
emit_uses_frame(const struct csd_object *object, const struct csd_function *function)
{
	for (uint32_t at = function->begin; at < function->end; at++) {
		if (object->insns[at].dst == CSD_FRAME_POINTER || object->insns[at].src == CSD_FRAME_POINTER) {
			return true;
		}
	}
	return false;
}

static void
emit_function(const struct csd_emitter *emitter, uint32_t index, uint8_t *is_target)
{
	const struct csd_object *object = emitter->object;
	const struct csd_function *function = &object->functions[index];
	FILE *out = emitter->out;

	for (uint32_t at = function->begin; at < function->end; at++) {
		const struct csd_insn *insn = &object->insns[at];

		if (csd_is_goto(insn->code) || csd_is_condition(insn->code)) {
			is_target[csd_jump_target(insn, at)] = 1;
		}
	}
	/*
	 * A line for each instruction: what debuggers and compilers say of a line, they say of this instruction. The way into
	 * the function is one line, its first instruction's.
	 */
	fprintf(out, "#line %u \"ebpf\"\n", function->begin + 1);
	emit_head(out, emitter->id, index);
	fputs(" { u64 r0 = 0, r6 = 0, r7 = 0, r8 = 0, r9 = 0; "
	      "u32 w0 = 0, w1 = r1, w2 = r2, w3 = r3, w4 = r4, w5 = r5, w6 = 0, w7 = 0, w8 = 0, w9 = 0;", out);
	if (emit_uses_frame(object, function)) {
		/* Zeros: a program finds nothing there that others left, and the same each time. */
		fputs(" u64 frame[64] __attribute__((aligned(16))) = {0}; const u64 r10 = (u64)(frame + 64); "
		      "const u32 w10 = r10;", out);
	}
	fputc('\n', out);
	for (uint32_t at = function->begin; at < function->end; at++) {
		fprintf(out, "#line %u \"ebpf\"\n", at + 1);
		if (is_target[at]) {
			fprintf(out, "l%u:", at);
		}
		fputc('\t', out);
		csd_emit_insn(emitter, at);
		at += object->insns[at].code == CSD_LD_IMM64;
	}
	/* The way out of the function belongs to its last instruction. */
	fprintf(out, "#line %u \"ebpf\"\n}\n\n", function->end);
}

/* What helpers call that call back: the functions whose address the program takes, by their numbers. */
static void
emit_callbacks(FILE *out, const struct csd_object *object, uint32_t id)
{
	uint8_t taken[CSD_TRANSLATOR_FUNCTIONS] = {0};

	if (!csd_object_calls(object, CSD_HELPER_LOOP) && !csd_object_calls(object, CSD_HELPER_EACH)) {
		return;
	}
	for (uint32_t at = 0; at < object->count; at++) {
		if (object->area[at] == CSD_AREA_FUNCTION) {
			taken[object->insns[at].imm - 1] = 1;
		}
	}
	fprintf(out, "CSD_COPY u64\ncsd_%u_back(u64 function, u64 r1, u64 r2, u64 r3, u64 r4)\n{\n\tswitch (function) {\n", id);
	for (uint32_t i = 0; i < object->function_count; i++) {
		if (taken[i]) {
			fprintf(out, "\tcase %u:\n\t\treturn csd_%u_f%u(r1, r2, r3, r4, 0);\n", i + 1, id, i);
		}
	}
	fprintf(out, "\tdefault:\n\t\tcsd_fault();\n\t}\n}\nCSD_LOOP(csd_%u_loop, csd_%u_back)\n\n", id, id);
}

static int
emit_functions(const struct csd_emitter *emitter)
{
	const struct csd_object *object = emitter->object;
	uint8_t *is_target = calloc(object->count, 1);
	uint16_t *narrow = calloc(object->count, sizeof(*narrow));
	struct csd_emitter narrowed = *emitter;
	int rc = is_target == NULL || narrow == NULL ? -ENOMEM : 0;

	narrowed.narrow = narrow;
	for (uint32_t i = 0; rc == 0 && i < object->function_count; i++) {
		rc = csd_narrow(object, &object->functions[i], narrow);
		if (rc == 0) {
			emit_function(&narrowed, i, is_target);
		}
	}
	/* What follows stands for no instruction. */
	fputs("#line 1 \"drive\"\n", emitter->out);
	free(is_target);
	free(narrow);
	return rc;
}

/* A program of no kind. One of a kind has its way in alone: a second caller would be a second copy of small programs. */
static void
emit_bare(FILE *out, const struct csd_object *object, uint32_t id)
{
	fprintf(out, "CSD_EXPORT u64\ncsd_%u_program(u64 r1, u64 r2, u64 r3, u64 r4, u64 r5)\n{\n"
		"\treturn csd_%u_f%u(r1, r2, r3, r4, r5);\n}\n\n", id, id, object->entry);
}

int
csd_emit_program(FILE *out, const struct csd_object *object, uint32_t id)
{
	const struct csd_emitter emitter = {.out = out, .object = object, .id = id};
	int rc;

	for (enum csd_area area = CSD_AREA_NONE + 1; area < CSD_AREAS; area++) {
		emit_area(out, &object->areas[area], id, area);
	}
	for (uint32_t i = 0; i < object->function_count; i++) {
		emit_head(out, id, i);
		fputs(";\n", out);
	}
	fputc('\n', out);
	emit_callbacks(out, object, id);
	csd_emit_maps(out, object, id);
	rc = emit_functions(&emitter);
	if (rc != 0) {
		return rc;
	}
	if (strcmp(object->kind, "csd/record") == 0) {
		csd_emit_records(out, object, id);
	} else if (strcmp(object->kind, "csd/buffer") == 0) {
		csd_emit_buffer(out, object, id);
	} else {
		emit_bare(out, object, id);
	}
	return 0;
}
