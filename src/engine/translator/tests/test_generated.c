/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Generated programs, translated and compiled, against the interpreter.
 *
 *	test_generated FOLDER NAME COMPILER PROGRAMS SEED
 */
#include "generate.h"
#include "chance.h"

#define BATCH	400	/* programs in a file: more take the compiler longer than their number */
#define INPUTS	3

static uint64_t faults;

static void
compare(struct batch *batch, uint32_t index, uint64_t seed, uint64_t number)
{
	chance_begin(~seed, number);
	for (uint32_t input = 0; input < INPUTS; input++) {
		struct batch_run run = {.arguments = {0, chance_number(), chance_number(), chance_number(), chance_number()}};

		for (size_t i = 0; i < sizeof(run.buffer); i += 8) {
			uint64_t word = chance_number();

			memcpy(run.buffer + i, &word, 8);
		}
		CHECK(batch_compare(batch, index, &run), "program %lu of seed %lu", number, seed);
		faults += run.fault;
	}
}

int
main(int argc, char **argv)
{
	static struct generated program;
	uint64_t programs, seed, instructions = 0;

	CHECK(argc == 6, "usage: test_generated FOLDER NAME COMPILER PROGRAMS SEED");
	programs = strtoull(argv[4], NULL, 0);
	seed = strtoull(argv[5], NULL, 0);
	CHECK(programs > 0, "PROGRAMS is %s: at least 1", argv[4]);
	for (uint64_t first = 0; first < programs; first += BATCH) {
		uint64_t count = programs - first < BATCH ? programs - first : BATCH;
		struct batch batch;

		batch_begin(&batch, argv[3], argv[1], argv[2]);
		for (uint64_t i = 0; i < count; i++) {
			generate(&program, seed, first + i);
			batch_add(&batch, program.insns, program.count, program.begins, program.functions, program.area, GENERATE_GLOBALS,
				  GENERATE_CONSTANTS);
			instructions += program.count;
		}
		batch_compile(&batch);
		for (uint64_t i = 0; i < count; i++) {
			compare(&batch, i, seed, first + i);
		}
		batch_end(&batch);
	}
	printf("test_generated (%s): %lu programs of seed %lu, %lu instructions, %lu runs, %lu of them faults, passed\n", argv[2],
	       programs, seed, instructions, programs * INPUTS, faults);
	return 0;
}
