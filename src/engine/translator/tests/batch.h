/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Programs made by a test, many in one C file, since starting a compiler takes longer than a small program does: translated,
 * compiled, and each run beside the interpreter on the same memory.
 */
#ifndef BATCH_H
#define BATCH_H

#include "csd_check.h"
#include "csd_emit.h"
#include "rfc9669.h"
#include "test.h"

/* Memory that each program gets in r1; it may touch all of it. */
#define BATCH_BUFFER	512

struct batch_program {
	struct csd_object object;
	uint8_t *address_of;		/* rfc9669.h */
	uint64_t (*function)(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5);
	uint8_t *globals, *constants;	/* NULL: it has none */
};

struct batch {
	const char *compiler;		/* with its flags: a shell's words */
	char source[512], library[512];
	struct batch_program **programs;
	uint32_t count, room;
	void *handle;
};

/* `folder` and `name` tell where files may lie. */
void batch_begin(struct batch *batch, const char *compiler, const char *folder, const char *name);

/*
 * Adds a program of functions that begin at the given instructions, the first at 0. It must pass csd_check(). Returns its
 * number. `globals` and `constants`: bytes of these areas, which are filled with something; `area` as in a csd_object, or NULL.
 */
uint32_t batch_add(struct batch *batch, const struct csd_insn *insns, uint32_t count, const uint32_t *begins,
		   uint32_t functions, const uint8_t *area, uint32_t globals, uint32_t constants);

void batch_compile(struct batch *batch);
void batch_end(struct batch *batch);

/* A run: what it is given, and what it leaves. */
struct batch_run {
	uint64_t arguments[5];		/* r1: set by batch_compare() to `buffer` */
	uint8_t buffer[BATCH_BUFFER] __attribute__((aligned(16)));
	uint64_t result;
	bool fault;
};

/*
 * Runs the program both ways on what `run` holds, which then has what came out. False: they differ, which was printed with the
 * program.
 */
bool batch_compare(struct batch *batch, uint32_t number, struct batch_run *run);

#endif
