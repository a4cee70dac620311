/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

#include "batch.h"

#define MAX_STEPS	1000000000	/* generated programs end, some of them late */

static sigjmp_buf batch_back;
static volatile bool batch_inside;

static void batch_signal(int number);

void
batch_begin(struct batch *batch, const char *compiler, const char *folder, const char *name)
{
	/* No mask is kept, which would take a system call a run. */
	struct sigaction action = {.sa_handler = batch_signal, .sa_flags = SA_NODEFER};

	sigaction(SIGILL, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	*batch = (struct batch) {.compiler = compiler};
	snprintf(batch->source, sizeof(batch->source), "%s/%s.c", folder, name);
	snprintf(batch->library, sizeof(batch->library), "%s/%s.so", folder, name);
}

static void
batch_fill(struct csd_area_content *content, uint32_t length)
{
	*content = (struct csd_area_content) {.given = length / 2, .length = length};
	content->bytes = malloc(length / 2 + 1);
	for (uint32_t i = 0; i < length / 2; i++) {
		content->bytes[i] = i * 0x9d + length;
	}
}

uint32_t
batch_add(struct batch *batch, const struct csd_insn *insns, uint32_t count, const uint32_t *begins, uint32_t functions,
	  const uint8_t *area, uint32_t globals, uint32_t constants)
{
	struct batch_program *program = calloc(1, sizeof(*program));
	struct csd_object *object = &program->object;
	char reason[CSD_REASON_BYTES] = "";

	object->insns = malloc(count * sizeof(*insns));
	memcpy(object->insns, insns, count * sizeof(*insns));
	object->area = calloc(count, 1);
	if (area != NULL) {
		memcpy(object->area, area, count);
	}
	object->count = count;
	object->function_count = functions;
	for (uint32_t i = 0; i < functions; i++) {
		object->functions[i] = (struct csd_function) {
			.name = "function", .section = "generated", .begin = begins[i],
			.end = i + 1 < functions ? begins[i + 1] : count,
		};
	}
	batch_fill(&object->areas[CSD_AREA_GLOBALS], globals);
	batch_fill(&object->areas[CSD_AREA_CONSTANTS], constants);
	CHECK(csd_check(object, reason) == 0, "program %u: %s", batch->count, reason);
	program->address_of = malloc(count);
	for (uint32_t i = 0; i < count; i++) {
		program->address_of[i] = object->area[i] == CSD_AREA_GLOBALS ? 2 : object->area[i] == CSD_AREA_CONSTANTS ? 3 : 0;
	}
	if (batch->count == batch->room) {
		batch->room = batch->room * 2 + 64;
		batch->programs = realloc(batch->programs, batch->room * sizeof(batch->programs[0]));
	}
	batch->programs[batch->count] = program;
	return batch->count++;
}

static void *
batch_symbol(const struct batch *batch, uint32_t number, const char *name)
{
	char symbol[64];

	snprintf(symbol, sizeof(symbol), "csd_%u_%s", number, name);
	return dlsym(batch->handle, symbol);
}

void
batch_compile(struct batch *batch)
{
	FILE *out = fopen(batch->source, "w");
	char command[4096];

	CHECK(out != NULL, "%s", batch->source);
	csd_emit_prelude(out);
	for (uint32_t i = 0; i < batch->count; i++) {
		CHECK(csd_emit_program(out, &batch->programs[i]->object, i) == 0, "no memory");
	}
	CHECK(ferror(out) == 0 && fclose(out) == 0, "%s cannot be written", batch->source);
	snprintf(command, sizeof(command), "%s -shared %s -o %s", batch->compiler, batch->source, batch->library);
	CHECK(system(command) == 0, "%s", command);
	batch->handle = dlopen(batch->library, RTLD_NOW | RTLD_LOCAL);
	CHECK(batch->handle != NULL, "%s", dlerror());
	for (uint32_t i = 0; i < batch->count; i++) {
		struct batch_program *program = batch->programs[i];

		program->function = (uint64_t (*)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t))batch_symbol(batch, i, "program");
		CHECK(program->function != NULL, "%s", dlerror());
		program->globals = program->object.areas[CSD_AREA_GLOBALS].length > 0 ? batch_symbol(batch, i, "globals") : NULL;
		program->constants = program->object.areas[CSD_AREA_CONSTANTS].length > 0 ? batch_symbol(batch, i, "constants") : NULL;
	}
}

void
batch_end(struct batch *batch)
{
	if (batch->handle != NULL) {
		dlclose(batch->handle);
	}
	unlink(batch->source);
	unlink(batch->library);
	for (uint32_t i = 0; i < batch->count; i++) {
		csd_object_free(&batch->programs[i]->object);
		free(batch->programs[i]->address_of);
		free(batch->programs[i]);
	}
	free(batch->programs);
}

/* Of a program: back to batch_run_native(). Of the test itself: as if nobody had asked for it. */
static void
batch_signal(int number)
{
	if (!batch_inside) {
		signal(number, SIG_DFL);
		return;
	}
	siglongjmp(batch_back, 1);
}

static void
batch_run_native(const struct batch_program *program, struct batch_run *run)
{
	run->fault = sigsetjmp(batch_back, 0) != 0;
	batch_inside = true;
	if (!run->fault) {
		run->result = program->function((uint64_t)run->buffer, run->arguments[1], run->arguments[2], run->arguments[3],
						run->arguments[4]);
	}
	batch_inside = false;
}

static void
batch_print(const struct batch *batch, uint32_t number, const struct batch_run *run)
{
	const struct csd_object *object = &batch->programs[number]->object;

	for (uint32_t i = 0; i < object->count; i++) {
		const struct csd_insn *insn = &object->insns[i];

		fprintf(stderr, "%s%4u: %02x dst r%u src r%u off %d imm %d\n", i == csd_object_function(object, i)->begin ? "\n" : "", i,
			insn->code, insn->dst, insn->src, insn->off, insn->imm);
	}
	fprintf(stderr, "r2 %#lx r3 %#lx r4 %#lx r5 %#lx\nthe source was %s\n", run->arguments[1], run->arguments[2],
		run->arguments[3], run->arguments[4], batch->source);
}

static void
batch_reset(uint8_t *memory, const struct csd_area_content *content)
{
	if (memory != NULL) {
		memset(memory, 0, content->length);
		memcpy(memory, content->bytes, content->given);
	}
}

static void
batch_interpret(const struct batch_program *program, struct batch_run *run)
{
	static struct rfc_machine machine;
	const struct csd_object *object = &program->object;
	enum rfc_end end;

	machine.code = (const uint8_t *)object->insns;
	machine.count = object->count;
	machine.entry = 0;
	machine.steps = MAX_STEPS;
	machine.address_of = program->address_of;
	machine.regions[0] = (struct rfc_region) {run->buffer, BATCH_BUFFER};
	machine.regions[1] = (struct rfc_region) {program->globals, object->areas[CSD_AREA_GLOBALS].length};
	machine.regions[2] = (struct rfc_region) {program->constants, object->areas[CSD_AREA_CONSTANTS].length};
	run->arguments[0] = (uint64_t)run->buffer;
	end = rfc_run(&machine, run->arguments, &run->result);
	CHECK(end == RFC_DONE || end == RFC_FAULT, "the interpreter ended with %d", end);
	run->fault = end == RFC_FAULT;
}

bool
batch_compare(struct batch *batch, uint32_t number, struct batch_run *run)
{
	const struct batch_program *program = batch->programs[number];
	const struct csd_area_content *globals = &program->object.areas[CSD_AREA_GLOBALS];
	struct batch_run interpreted = *run;
	uint8_t after[256] = {0};
	bool same;

	CHECK(globals->length <= sizeof(after), "%lu bytes of globals", globals->length);
	batch_reset(program->globals, globals);
	batch_run_native(program, run);
	if (program->globals != NULL) {
		memcpy(after, program->globals, globals->length);
	}
	batch_reset(program->globals, globals);
	batch_interpret(program, &interpreted);

	same = run->fault == interpreted.fault &&
	       (run->fault || (run->result == interpreted.result && memcmp(run->buffer, interpreted.buffer, BATCH_BUFFER) == 0 &&
			       (program->globals == NULL || memcmp(after, program->globals, globals->length) == 0)));
	if (!same) {
		batch_print(batch, number, run);
		fprintf(stderr, "program %u: translated %s%#lx, interpreted %s%#lx%s\n", number, run->fault ? "fault " : "", run->result,
			interpreted.fault ? "fault " : "", interpreted.result,
			run->result == interpreted.result ? ", or the memory differs" : "");
	}
	return same;
}
