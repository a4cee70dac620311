/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * judge SOURCE LIBRARY COMPILER: csd/record programs, and records to run them on, come on stdin; for each one line says the
 * verifier's verdict, and then for each record 1 (kept) or 0; of a program with a state, then that in hexadecimal. Every program runs in the interpreter of RFC 9669; and translated,
 * all of them in one C file, SOURCE, which the compiler (a shell's words) makes a LIBRARY. A difference between the two ends it.
 * Without a compiler only the interpreter runs. tests/unit/test_questions_engine.py asks it.
 *
 * A program: struct judge_head, then the object's bytes, its parameters and the records.
 */
#include <dlfcn.h>

#include "csd_call.h"
#include "csd_check.h"
#include "csd_emit.h"
#include "csd_proof.h"
#include "rfc9669.h"
#include "test.h"

struct judge_head {
	uint32_t program_bytes;
	uint32_t records;
};

struct judged {
	struct csd_object object;
	struct csd_proof proof;
	struct csd_parameters parameters;
	uint8_t state[CSD_MAX_STATE_BYTES];	/* after the last record */
	uint8_t *records;
	char *kept;		/* a digit for each record */
	uint32_t count;
};

static void
judge_read(void *to, size_t bytes)
{
	CHECK(fread(to, 1, bytes, stdin) == bytes, "the input ends in the middle of a program");
}

static void *
judge_allocate(size_t bytes)
{
	void *memory = calloc(1, bytes > 0 ? bytes : 1);

	CHECK(memory != NULL, "%zu bytes", bytes);
	return memory;
}

/* NULL: there are no more. */
static struct judged *
judge_next(void)
{
	struct judge_head head;
	struct judged *judged;
	char reason[CSD_REASON_BYTES] = "";
	uint8_t *program;
	size_t stride;

	if (fread(&head, 1, sizeof(head), stdin) != sizeof(head)) {
		return NULL;
	}
	judged = judge_allocate(sizeof(*judged));
	program = judge_allocate(head.program_bytes);
	judge_read(program, head.program_bytes);
	judge_read(&judged->parameters, sizeof(judged->parameters));
	CHECK(csd_object_read(program, head.program_bytes, &judged->object, reason) == 0, "%s", reason);
	CHECK(csd_check(&judged->object, reason) == 0, "%s", reason);
	CHECK_EQUAL(csd_prove(&judged->object, &judged->proof), 0);
	free(program);
	stride = judged->object.geometry.stride_bytes;
	CHECK_EQUAL(stride, judged->object.geometry.record_bytes);
	judged->count = head.records;
	judged->records = judge_allocate(head.records * stride);
	judge_read(judged->records, head.records * stride);
	judged->kept = judge_allocate(head.records + 1);
	return judged;
}

static void
judge_interpret(struct judged *judged)
{
	static struct rfc_machine machine;
	struct csd_object *object = &judged->object;
	size_t bytes = object->geometry.record_bytes;
	uint8_t *address_of = judge_allocate(object->count);

	for (uint32_t i = 0; i < object->count; i++) {
		address_of[i] = object->area[i] == CSD_AREA_PARAMETERS ? 2 : object->area[i] == CSD_AREA_STATE ? 3 : 0;
	}
	for (uint32_t i = 0; i < judged->count; i++) {
		uint64_t arguments[5] = {(uint64_t)(judged->records + i * bytes)}, result;

		machine = (struct rfc_machine) {
			.code = (const uint8_t *)object->insns, .count = object->count, .steps = object->count, .address_of = address_of,
			.regions = {{judged->records + i * bytes, bytes}, {(uint8_t *)&judged->parameters, sizeof(judged->parameters)},
				    {judged->state, object->geometry.state_bytes}},
		};
		CHECK_EQUAL(rfc_run(&machine, arguments, &result), RFC_DONE);
		CHECK(result <= 1, "it returns %llu", (unsigned long long)result);
		judged->kept[i] = '0' + (char)result;
	}
	free(address_of);
}

/* The same of what the drive would run: what is emitted has to be the kept records, in their order; and the same state. */
static void
judge_beside(void *library, uint32_t id, struct judged *judged)
{
	const struct csd_geometry *geometry = &judged->object.geometry;
	size_t bytes = geometry->record_bytes, whole = judged->count * bytes, at = 0, matches = 0;
	uint8_t *out = judge_allocate(whole);
	char name[64];
	void (*call)(struct csd_call *);
	struct csd_parameters *parameters;
	const void *state;
	struct csd_call asked = {
		.input = (uint64_t)judged->records, .input_bytes = whole, .out = (uint64_t)out, .out_bytes = whole,
		.flags = CSD_CALL_FIRST | CSD_CALL_LAST,
	};

	snprintf(name, sizeof(name), "csd_%u_call", id);
	*(void **)&call = dlsym(library, name);
	snprintf(name, sizeof(name), "csd_%u_parameters", id);
	parameters = dlsym(library, name);
	CHECK(call != NULL && parameters != NULL, "%s", dlerror());
	*parameters = judged->parameters;
	call(&asked);
	for (uint32_t i = 0; i < judged->count; i++) {
		matches += judged->kept[i] == '1';
		if (judged->kept[i] == '1' && geometry->emit == CSD_EMIT_RECORD) {
			CHECK(at + bytes <= asked.emitted && memcmp(out + at, judged->records + i * bytes, bytes) == 0,
			      "program %u, record %u: interpreted it is kept, translated it is not", id, i);
			at += bytes;
		}
	}
	CHECK_EQUAL(asked.emitted, at);
	CHECK_EQUAL(asked.matches, matches);
	if (geometry->state_bytes > 0) {
		snprintf(name, sizeof(name), "csd_%u_state", id);
		state = dlsym(library, name);
		CHECK(state != NULL && memcmp(state, judged->state, geometry->state_bytes) == 0,
		      "program %u: the state is not what it is interpreted", id);
	}
	free(out);
}

static void *
judge_translate(char **arguments, struct judged **all, uint32_t count)
{
	FILE *source = fopen(arguments[0], "w");
	char command[4096];
	void *library;

	CHECK(source != NULL, "%s", arguments[0]);
	csd_emit_prelude(source);
	for (uint32_t i = 0; i < count; i++) {
		CHECK_EQUAL(csd_emit_program(source, &all[i]->object, i), 0);
	}
	CHECK_EQUAL(fclose(source), 0);
	snprintf(command, sizeof(command), "%s -shared %s -o %s", arguments[2], arguments[0], arguments[1]);
	CHECK_EQUAL(system(command), 0);
	library = dlopen(arguments[1], RTLD_NOW);
	CHECK(library != NULL, "%s", dlerror());
	return library;
}

int
main(int argc, char **argv)
{
	uint32_t count = 0, room = 0;
	struct judged **all = NULL, *judged;
	void *library = NULL;

	CHECK(argc == 1 || argc == 4, "usage: judge [SOURCE LIBRARY COMPILER]");
	while ((judged = judge_next()) != NULL) {
		if (count == room) {
			room = 2 * room + 64;
			all = realloc(all, room * sizeof(*all));
			CHECK(all != NULL, "%u programs", room);
		}
		all[count++] = judged;
	}
	if (argc == 4) {
		library = judge_translate(argv + 1, all, count);
	}
	for (uint32_t i = 0; i < count; i++) {
		judge_interpret(all[i]);
		if (library != NULL) {
			judge_beside(library, i, all[i]);
		}
		printf("%s%s%s %s", csd_proof_name(all[i]->proof.kind), all[i]->proof.words[0] == '\0' ? "" : ": ",
		       all[i]->proof.words, all[i]->kept);
		for (uint32_t at = 0; at < all[i]->object.geometry.state_bytes; at++) {
			printf("%s%02x", at == 0 ? " " : "", all[i]->state[at]);
		}
		printf("\n");
		csd_object_free(&all[i]->object);
		free(all[i]->records);
		free(all[i]->kept);
		free(all[i]);
	}
	free(all);
	return 0;
}
