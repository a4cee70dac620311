/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Programs of kind csd/buffer: what they are given, what they may say of the input, and lines of a text in parts.
 *
 *	test_buffers FOLDER WAY...	FOLDER/WAY/NAME.so translated, FOLDER/native/NAME.so not
 */
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chance.h"
#include "parts.h"
#include "programs/context.h"
#include "test.h"

#define TEXT_BYTES	(256 * 1024)

/* --- the context --- */

static void
check_context(const char *folder, const char *cpu)
{
	void *library = parts_open("%s/%s/context.so", folder, cpu);
	void (*function)(struct csd_call *call) = (void (*)(struct csd_call *))parts_symbol(library, "csd_0_call");
	struct csd_parameters *parameters = parts_symbol(library, "csd_0_parameters");
	const struct seen *seen = parts_symbol(library, "csd_0_state");
	uint8_t input[100] = {0}, first[3] = {1, 2, 3}, second[1] = {4}, data[5] = {5, 6, 7, 8, 9};
	struct csd_call_range ranges[] = {{(uint64_t)first, sizeof(first)}, {(uint64_t)second, sizeof(second)}};
	struct csd_call call = {
		.input = (uint64_t)input, .input_bytes = 100, .input_offset = 1ULL << 40, .flags = CSD_CALL_FIRST, .data = (uint64_t)data,
		.data_bytes = sizeof(data), .ranges = (uint64_t)ranges, .range_count = 2, .consumed = 1, .records = 2, .matches = 3,
		.emitted = 4, .end = 5, .now = 77,
	};

	CHECK_EQUAL(seen->begun, 9);
	parameters->cparam1 = 0xfffffffc;	/* of what it returns, CSD_STOP alone counts */
	function(&call);
	CHECK_EQUAL(seen->calls, 101);
	CHECK_EQUAL(seen->bytes, 100);
	CHECK_EQUAL(seen->offset, 1LL << 40);
	CHECK_EQUAL(seen->flags, CSD_FIRST);
	CHECK_EQUAL(seen->consumed, 100);
	CHECK_EQUAL(seen->ranges, ((1 * 31 + 2) * 31 + 3) * 31 + 4);
	CHECK_EQUAL(seen->data, (((5 * 31 + 6) * 31 + 7) * 31 + 8) * 31 + 9);
	CHECK_EQUAL(seen->now, 77);
	CHECK(first[0] == 0xfe && first[2] == 0xfc && second[0] == 0xfb, "the ranges were not written to");
	CHECK(call.consumed == 100 && call.records == 0 && call.matches == 0 && call.emitted == 0 && call.end == CSD_CALL_USED,
	      "consumed %lu, %lu records, %lu matches, %lu bytes, end %lu", call.consumed, call.records, call.matches, call.emitted,
	      call.end);

	/* Less than all, and stop. The second part of a run: the program's own variables are as they were. */
	parameters->cparam1 = CSD_STOP;
	parameters->cparam2 = -60ULL;
	call.flags = CSD_CALL_LAST;
	call.range_count = call.data_bytes = 0;
	function(&call);
	CHECK(seen->calls == 102 && seen->bytes == 200 && seen->flags == CSD_LAST && seen->ranges == 0 && seen->data == 0,
	      "second part");
	CHECK_EQUAL(call.consumed, 40);
	CHECK_EQUAL(call.end, CSD_CALL_STOPPED);
	dlclose(library);
}

/* A program that is done with more than it was given: this ends its process. */
static void
check_consumed(const char *folder, const char *cpu, uint64_t bytes, uint64_t more, bool fault)
{
	int status;
	pid_t child = fork();

	CHECK(child >= 0, "no process");
	if (child == 0) {
		void *library = parts_open("%s/%s/context.so", folder, cpu);
		uint8_t input[8] = {0};
		struct csd_call call = {.input = (uint64_t)input, .input_bytes = bytes};

		((struct csd_parameters *)parts_symbol(library, "csd_0_parameters"))->cparam2 = more;
		((void (*)(struct csd_call *))parts_symbol(library, "csd_0_call"))(&call);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child, "no process");
	CHECK(fault ? WIFSIGNALED(status) && WTERMSIG(status) == SIGILL : WIFEXITED(status) && WEXITSTATUS(status) == 0,
	      "consumed is %lu more than %lu bytes: status %#x", more, bytes, status);
}

/* --- lines --- */

static void
fill_text(uint8_t *text)
{
	static const char *const words[] = {"ERROR", "ERROR: ", "INFO: ", "\n", "\n", "disk failure ", "ERR", "\nERROR\n", "a word "};

	chance_begin(9, 9);
	for (uint64_t at = 0; at < TEXT_BYTES;) {
		const char *word = words[below(sizeof(words) / sizeof(words[0]))];
		uint64_t bytes = strlen(word);

		memcpy(text + at, word, bytes < TEXT_BYTES - at ? bytes : TEXT_BYTES - at);
		at += bytes;
	}
}

static uint64_t
check_lines(const char *folder, const char *cpu, const uint8_t *text)
{
	static const struct csd_parameters parameters = {.cparam1 = 20};
	uint64_t count = 0;

	for (uint64_t seed = 0; seed < 10; seed++) {
		/* Anew for each run: variables that are no state keep their values. */
		void *library = parts_open("%s/%s/lines.so", folder, cpu), *control = parts_open("%s/native/lines.so", folder);
		struct parts parts = {
			.name = "lines", .parameters = &parameters, .state_bytes = 32, .input = text,
			.bytes = TEXT_BYTES - seed * 7, .most_out = TEXT_BYTES,
		};

		parts_set_translated(&parts, library, 0);
		parts_set_native(&parts, control, "lines");
		count += parts_compare(&parts, seed);
		dlclose(library);
		dlclose(control);
	}
	return count;
}

int
main(int argc, char **argv)
{
	static uint8_t text[TEXT_BYTES];
	uint64_t count = 0;

	CHECK(argc > 2, "usage: test_buffers FOLDER WAY...");
	fill_text(text);
	for (int cpu = 2; cpu < argc; cpu++) {
		check_context(argv[1], argv[cpu]);
		check_consumed(argv[1], argv[cpu], 8, 0, false);
		check_consumed(argv[1], argv[cpu], 8, 1, true);
		check_consumed(argv[1], argv[cpu], 8, -9ULL, true);
		check_consumed(argv[1], argv[cpu], 0, 1, true);
		count += check_lines(argv[1], argv[cpu], text);
	}
	printf("test_buffers: context, and lines in %lu parts, for %d ways, passed\n", count, argc - 2);
	return 0;
}
