/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "chance.h"
#include "reference.h"
#include "samples.h"
#include "test.h"

#define BYTES	(128 * 1024 + 5)

static const struct program program = {
	.name = "group_by", .reference = reference_group_by, .state_bytes = sizeof(struct csd_group_by_state),
	.most_part = CSD_MOST_STRIDE, .item_bytes = sizeof(struct csd_group),
};

static void
check_types(const uint8_t *input)
{
	for (uint32_t i = 0; i < 64; i++) {
		struct csd_group_by given = {.key_type = i & 7, .value_type = i >> 3};
		uint32_t key = 1 << (i & 3), value = 1 << (i >> 3 & 3);
		struct job job = {.data = &given, .data_bytes = sizeof(given), .input = input, .bytes = 4000 + i};

		chance_begin(run_seed() * 100 + i, 5);
		given.stride_bytes = key + value + below(9);
		given.key_offset = below(given.stride_bytes - key + 1);
		given.value_offset = below(given.stride_bytes - value + 1);
		run_check(&program, &job, 1, "types", NULL);
	}
}

/* As many groups as there may be, one more, and some records for those that have one. */
static void
check_full(void)
{
	static uint32_t input[CSD_GROUPS + 1000][2];
	struct csd_group_by given = {8, 0, CSD_U32, 4, CSD_U32, 0};
	struct job job = {.data = &given, .data_bytes = sizeof(given), .input = (const uint8_t *)input, .bytes = CSD_GROUPS * 8};
	struct result result;

	for (uint32_t i = 0; i < CSD_GROUPS; i++) {
		input[i][0] = i * 0x9e3779b1u;
		input[i][1] = i;
	}
	for (uint32_t i = 0; i < 1000; i++) {
		input[CSD_GROUPS + i][0] = i % 3 == 0 ? (CSD_GROUPS + i % 7) * 0x9e3779b1u : input[i * 40][0];
		input[CSD_GROUPS + i][1] = i;
	}
	run_check(&program, &job, 1, "all groups", NULL);
	job.bytes = sizeof(input);
	run_check(&program, &job, 1, "more groups", &result);
	CHECK_EQUAL(((struct csd_group_by_state *)result.state)->groups, CSD_GROUPS);
	CHECK_EQUAL(((struct csd_group_by_state *)result.state)->overflow, 334);
	free(result.out);
}

static void
check_wrong_data(const uint8_t *input)
{
	static const struct csd_group_by wrong[] = {
		{0, 0, 0, 0, 0, 0}, {8, 0, CSD_INTEGERS, 0, 0, 0}, {8, 0, 0, 0, CSD_INTEGERS, 0}, {8, 5, CSD_U32, 0, 0, 0}, {8, 0, 0, 5,
			CSD_S32, 0},
		{CSD_MOST_STRIDE + 1, 0, 0, 0, 0, 0}, {8, 0xfffffffc, CSD_U64, 0, 0, 0}, {8, 0, 0, 0, 0, 1},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct job job = {.data = &wrong[i], .data_bytes = sizeof(wrong[i]), .input = input, .bytes = 100};
		struct result result;

		run_check(&program, &job, 1, "wrong data", &result);
		CHECK_EQUAL(((struct csd_group_by_state *)result.state)->error, CSD_PROGRAM_DATA_VALUE);
		free(result.out);
		job.data_bytes--;
		run_check(&program, &job, 1, "short data", NULL);
	}
}

int
main(int argc, char **argv)
{
	static uint8_t input[BYTES];
	struct csd_group_by given = {16, 0, CSD_U64, 8, CSD_S64, 0};
	struct job job = {.data = &given, .data_bytes = sizeof(given), .input = input, .bytes = BYTES};

	run_begin(argc, argv);
	sample_sales(input, BYTES);
	run_check(&program, &job, 5, "sales", NULL);
	job.bytes = 0;
	run_check(&program, &job, 0, "no input", NULL);
	job.bytes = 15;
	run_check(&program, &job, 1, "less than a record", NULL);
	sample_numbers(input, BYTES);
	check_types(input);
	check_wrong_data(input);
	check_full();
	return run_end(program.name);
}
