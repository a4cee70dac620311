/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "chance.h"
#include "reference.h"
#include "samples.h"
#include "test.h"

#define BYTES	(128 * 1024 + 100)

static const struct program program = {
	.name = "nearest", .reference = reference_nearest, .state_bytes = sizeof(struct csd_nearest_state),
	.most_part = CSD_MOST_STRIDE, .item_bytes = 1,
};

static void
check_shapes(const uint8_t *input)
{
	static const uint16_t features[] = {1, 2, 7, 8, 16, 100, 254, 255};
	static const uint8_t ks[] = {1, 2, 10, 64};

	for (uint32_t i = 0; i < 64; i++) {
		struct csd_nearest given = {.features = features[i % 8], .k = ks[i / 8 % 4], .type = i < 32 ? CSD_S8 : CSD_S16};
		struct job job = {.data = &given, .data_bytes = sizeof(given), .input = input, .bytes = BYTES / (i % 8 < 3 ? 20 : 4)};
		uint32_t width = given.features << (given.type & 3);

		chance_begin(run_seed() * 100 + i, 7);
		given.stride_bytes = width + below(20);
		given.offset = below(given.stride_bytes - width + 1);
		for (uint32_t f = 0; f < given.features; f++) {
			given.point[f] = i < 32 ? (int8_t)chance() : (int16_t)chance();
		}
		if (i == 3) {
			job.bytes = given.stride_bytes * 2 - 1;		/* one record for k of them */
		}
		run_check(&program, &job, 2, "shapes", NULL);
	}
}

/* As far apart as it goes, and all the same distance: the first ones win. */
static void
check_extremes(void)
{
	static int16_t input[100 * 255];
	struct csd_nearest given = {.stride_bytes = 510, .features = 255, .type = CSD_S16, .k = 5};
	struct job job = {.data = &given, .data_bytes = sizeof(given), .input = (const uint8_t *)input, .bytes = sizeof(input)};
	struct result result;
	const struct csd_nearest_state *state = (const struct csd_nearest_state *)result.state;

	for (int i = 0; i < 255; i++) {
		given.point[i] = INT16_MIN;
	}
	for (size_t i = 0; i < sizeof(input) / 2; i++) {
		input[i] = INT16_MAX;
	}
	run_check(&program, &job, 5, "extremes", &result);
	CHECK_EQUAL(state->neighbours[0].distance, 255LL * 65535 * 65535);
	CHECK_EQUAL(state->neighbours[4].offset, 4 * 510);
	free(result.out);
}

static void
check_wrong_data(const uint8_t *input)
{
	static const struct csd_nearest good = {.stride_bytes = 16, .features = 8, .type = CSD_S8, .k = 1};

	for (uint32_t i = 0; i < 9; i++) {
		struct csd_nearest wrong = good;
		struct job job = {.data = &wrong, .data_bytes = sizeof(wrong), .input = input, .bytes = 100};
		struct result result;

		switch (i) {
		case 0: wrong.k = 0; break;
		case 1: wrong.k = 65; break;
		case 2: wrong.features = 0; break;
		case 3: wrong.features = 256; wrong.stride_bytes = 1000; break;
		case 4: wrong.type = CSD_U8; break;
		case 5: wrong.offset = 9; break;
		case 6: wrong.stride_bytes = CSD_MOST_STRIDE + 1; break;
		case 7: wrong.point[7] = 128; break;
		default: wrong.offset = 0xfffffff8; break;
		}
		run_check(&program, &job, 1, "wrong data", &result);
		CHECK_EQUAL(((struct csd_nearest_state *)result.state)->error, CSD_PROGRAM_DATA_VALUE);
		free(result.out);
	}
}

int
main(int argc, char **argv)
{
	static uint8_t input[BYTES];
	struct job job = {.input = input, .bytes = BYTES};

	run_begin(argc, argv);
	sample_numbers(input, BYTES);
	run_check(&program, &job, 1, "no data", NULL);
	check_shapes(input);
	check_extremes();
	check_wrong_data(input);
	return run_end(program.name);
}
