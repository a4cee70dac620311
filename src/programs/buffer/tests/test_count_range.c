/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "chance.h"
#include "reference.h"
#include "samples.h"
#include "test.h"

#define BYTES	(256 * 1024 + 13)

static const struct program program = {
	.name = "count_range", .reference = reference_count_range, .state_bytes = sizeof(struct csd_count_range_state),
	.most_part = CSD_MOST_STRIDE, .item_bytes = 1,
};

/* All types, packed and in records, with bounds at, within and beyond the ends of the type. */
static void
check_types(const uint8_t *input)
{
	for (uint32_t i = 0; i < 60; i++) {
		uint32_t type = i % CSD_INTEGERS, width = 1 << (type & 3), stride;
		struct csd_count_range given = {.type = type};
		struct job job = {.data = &given, .data_bytes = sizeof(given), .input = input};

		chance_begin(run_seed() * 100 + i, 1);
		stride = i < 16 ? width : width + below(40);
		given.stride_bytes = stride;
		given.offset = below(stride - width + 1);
		job.bytes = below(8) == 0 ? below(20) : i < 16 ? BYTES : 30000;
		job.cparam1 = chance_number();
		job.cparam2 = below(3) == 0 ? job.cparam1 : chance_number();
		if (below(2) == 0) {		/* where many are */
			job.cparam1 = type < CSD_S8 ? 0 : -50ULL << (8 * width - 8);
			job.cparam2 = 40ULL << (8 * width - 8);
		}
		run_check(&program, &job, 2, "types", NULL);
	}
}

static void
check_wrong_data(const uint8_t *input)
{
	static const struct csd_count_range wrong[] = {
		{0, 0, CSD_U8, 0}, {4, 0, CSD_U64, 0}, {8, 1, CSD_U64, 0}, {8, 0xffffffff, CSD_U8, 0}, {8, 0, CSD_INTEGERS, 0},
		{8, 0, 0xffffffff, 0}, {CSD_MOST_STRIDE + 1, 0, CSD_U8, 0}, {8, 0, CSD_U8, 1},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct job job = {.data = &wrong[i], .data_bytes = sizeof(wrong[i]), .input = input, .bytes = 100};
		struct result result;

		run_check(&program, &job, 1, "wrong data", &result);
		CHECK_EQUAL(((struct csd_count_range_state *)result.state)->error, CSD_PROGRAM_DATA_VALUE);
		free(result.out);
	}
	for (uint64_t bytes = 1; bytes < sizeof(wrong[0]); bytes++) {
		struct job job = {.data = wrong, .data_bytes = bytes, .input = input, .bytes = 100};

		run_check(&program, &job, 1, "short data", NULL);
	}
}

int
main(int argc, char **argv)
{
	static uint8_t input[BYTES];
	static const int64_t few[] = {-5, 3, 4, 100, INT64_MIN, INT64_MAX};
	struct job job = {.cparam1 = -5, .cparam2 = 4, .input = (const uint8_t *)few, .bytes = sizeof(few)};
	struct result result;

	run_begin(argc, argv);
	sample_numbers(input, BYTES);
	run_check(&program, &job, 10, "no data", &result);
	CHECK_EQUAL(((struct csd_count_range_state *)result.state)->in_range, 3);
	free(result.out);
	job.bytes = 0;
	run_check(&program, &job, 0, "no input", NULL);
	check_types(input);
	check_wrong_data(input);
	return run_end(program.name);
}
