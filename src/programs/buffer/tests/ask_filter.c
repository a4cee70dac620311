/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "ask_filter.h"
#include "test.h"

struct job
ask_filter(struct csd_filter given, const char *name, const char *operand)
{
	static uint8_t data[4096];

	given.name_bytes = strlen(name);
	given.operand_bytes = strlen(operand);
	memcpy(data, &given, sizeof(given));
	for (uint32_t i = 0; i < given.name_bytes; i++) {
		data[sizeof(given) + i] = name[i] == '/' ? 0 : name[i];
	}
	memcpy(data + sizeof(given) + given.name_bytes, operand, given.operand_bytes);
	return (struct job) {.data = data, .data_bytes = sizeof(given) + given.name_bytes + given.operand_bytes};
}

static void
check_error(const struct program *program, struct job job, uint64_t error)
{
	static const char input[] = "a,b\n{\"a\":1}\n";
	struct result result;
	uint64_t found;

	job.input = (const uint8_t *)input;
	job.bytes = strlen(input);
	run_check(program, &job, 1, "wrong data", &result);
	memcpy(&found, result.state, sizeof(found));
	CHECK_EQUAL(found, error);
	free(result.out);
}

void
check_wrong_filters(const struct program *program, struct csd_filter given, const char *name)
{
	static const char *const numbers[] = {
		"", "-", "+", ".", "1e", "1e+", "1.2.3", "0x1", "1 ", "e5", "1e5.", "12a", "--1", "1\xc2\xa0",
		"12345678901234567890123456789012345678901234567890123456789012345",
	};
	struct csd_filter wrong;
	struct job job = ask_filter(given, name, "1");

	for (uint64_t bytes = 0; bytes < job.data_bytes; bytes++) {
		struct job less = job;

		less.data_bytes = bytes;
		check_error(program, less, CSD_PROGRAM_DATA_SHORT);
	}
	wrong = given;
	wrong.keep = 8;
	check_error(program, ask_filter(wrong, name, "1"), CSD_PROGRAM_DATA_VALUE);
	wrong = given;
	wrong.as = 2;
	check_error(program, ask_filter(wrong, name, "1"), CSD_PROGRAM_DATA_VALUE);
	wrong = given;
	wrong.flags |= 2;
	check_error(program, ask_filter(wrong, name, "1"), CSD_PROGRAM_DATA_VALUE);
	wrong = given;
	wrong.reserved = 1;
	check_error(program, ask_filter(wrong, name, "1"), CSD_PROGRAM_DATA_VALUE);
	wrong = given;
	wrong.as = CSD_AS_NUMBER;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		check_error(program, ask_filter(wrong, name, numbers[i]), CSD_PROGRAM_DATA_VALUE);
	}
	check_error(program, ask_filter(wrong, name, "-.5e-7"), 0);
}
