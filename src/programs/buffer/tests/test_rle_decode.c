/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "chance.h"
#include "reference.h"
#include "samples.h"
#include "test.h"

#define BYTES	(128 * 1024)

static const struct program program = {
	.name = "rle_decode", .reference = reference_rle_decode, .state_bytes = sizeof(struct csd_rle_state),
	.most_part = 129, .item_bytes = 128,
};

/* Each written out: a count that is too small, none, all; what the input ends in. */
static void
check_runs(void)
{
	static const struct {
		uint8_t bytes[8];
		uint64_t length;
		const char *out;
		struct csd_rle_state state;
	} cases[] = {
		{{0}, 0, "", {0, 0, 0, 0, 0}},
		{{0, 'a'}, 2, "a", {0, 1, 0, 1, 0}},
		{{2, 'a', 'b', 'c', 0xff, 'd'}, 6, "abcdd", {0, 2, 0, 5, 0}},
		{{0x80}, 1, "", {0, 1, 1, 0, 0}},
		{{0x80, 0x80, 0xfe, 'x', 0x80}, 5, "xxx", {0, 4, 3, 3, 0}},
		{{0}, 1, "", {0, 0, 0, 0, 1}},
		{{0xff}, 1, "", {0, 0, 0, 0, 1}},
		{{0, 'a', 3, 'b', 'c', 'd'}, 6, "a", {0, 1, 0, 1, 4}},
		{{0, 'a', 0x81}, 3, "a", {0, 1, 0, 1, 1}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct job job = {.input = cases[i].bytes, .bytes = cases[i].length};
		struct result result;

		run_check(&program, &job, 10, "runs", &result);
		CHECK(result.emitted == strlen(cases[i].out) && (result.emitted == 0 || memcmp(result.out, cases[i].out, result.emitted) == 0) &&
		      memcmp(result.state, &cases[i].state, sizeof(cases[i].state)) == 0, "case %zu", i);
		free(result.out);
	}
}

/* The example of Apple's technical note 1023. */
static void
check_known(void)
{
	static const uint8_t packed[] = {0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0xf7, 0xaa};
	static const uint8_t unpacked[] = {
		0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0x22, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
		0xaa, 0xaa, 0xaa, 0xaa,
	};
	struct job job = {.input = packed, .bytes = sizeof(packed)};
	struct result result;

	run_check(&program, &job, 20, "known", &result);
	CHECK(result.emitted == sizeof(unpacked) && memcmp(result.out, unpacked, sizeof(unpacked)) == 0, "technical note 1023");
	free(result.out);
}

/* A picture, as the format is made for, and bytes of any kind. */
int
main(int argc, char **argv)
{
	static uint8_t input[BYTES];
	struct job job = {.input = input, .bytes = BYTES};

	run_begin(argc, argv);
	check_runs();
	check_known();
	sample_packbits(input, BYTES);
	run_check(&program, &job, 6, "picture", NULL);
	for (uint64_t bytes = BYTES; bytes > BYTES - 40; bytes--) {
		job.input = input + 100000;
		job.bytes = bytes - 100000;
		run_check(&program, &job, 1, "picture's end", NULL);
	}
	sample_numbers(input, BYTES);
	job = (struct job) {.input = input, .bytes = BYTES};
	run_check(&program, &job, 4, "any bytes", NULL);
	return run_end(program.name);
}
