/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "chance.h"
#include "lineitem.h"
#include "reference.h"
#include "samples.h"
#include "test.h"

#define RECORDS	4000
#define BYTES	(RECORDS * sizeof(struct csd_lineitem))

static const struct program program = {
	.name = "tpch_q1", .reference = reference_tpch_q1, .state_bytes = sizeof(struct csd_q1_state),
	.most_part = sizeof(struct csd_lineitem), .item_bytes = 1, .most_rest = sizeof(struct csd_lineitem) - 1,
};

/* One line, and many whose charge is more than 64 bits. */
static void
check_sums(void)
{
	static const struct csd_lineitem line = {
		.shipdate = 10471, .quantity = 1700, .extendedprice = 2116823, .discount = 4, .tax = 2, .returnflag = 'N', .linestatus = 'O',
	};
	struct csd_lineitem lines[40];
	struct job job = {.input = (const uint8_t *)lines, .bytes = sizeof(line)};
	struct result result;
	const struct csd_q1_state *state = (const struct csd_q1_state *)result.state;

	for (int i = 0; i < 40; i++) {
		lines[i] = line;
		lines[i].extendedprice = i == 0 ? line.extendedprice : i % 9 == 0 ? -900000000000000 : 900000000000000;
	}
	run_check(&program, &job, 1, "one", &result);
	CHECK(state->groups[3].count == 1 && state->groups[3].quantity == 1700 && state->groups[3].base_price == 2116823 &&
	      state->groups[3].discount == 4 && state->groups[3].discounted_price == 2116823LL * 96 &&
	      state->groups[3].charge_low == 2116823ULL * 96 * 102 && state->groups[3].charge_high == 0, "one");
	free(result.out);
	job.bytes = sizeof(lines);
	run_check(&program, &job, 10, "large sums", &result);
	CHECK(state->groups[3].charge_high != 0, "no large sums");
	free(result.out);
	lines[0].shipdate++;
	lines[1].returnflag = 'B';
	lines[2].linestatus = 'f';
	lines[3].returnflag = 'A';
	run_check(&program, &job, 10, "unknown", &result);
	CHECK_EQUAL(state->unknown, 2);
	CHECK_EQUAL(state->groups[1].count, 1);
	free(result.out);
}

int
main(int argc, char **argv)
{
	static const uint64_t deltas[] = {0, 60, 90, 120, 1, 10561, 10562, ~0ULL};
	static uint8_t input[BYTES];
	struct job job = {.input = input, .bytes = BYTES};

	run_begin(argc, argv);
	sample_lineitem(input, BYTES);
	for (size_t i = 0; i < sizeof(deltas) / sizeof(deltas[0]); i++) {
		job.cparam1 = deltas[i];
		run_check(&program, &job, 3, "deltas", NULL);
	}
	job.cparam1 = 0;
	for (uint64_t bytes = 0; bytes < 300; bytes += 27) {
		job.bytes = bytes;
		run_check(&program, &job, 1, "few bytes", NULL);
	}
	check_sums();
	sample_numbers(input, BYTES);
	job.bytes = BYTES;
	for (uint64_t at = 0; at < BYTES; at += sizeof(struct csd_lineitem)) {
		((struct csd_lineitem *)(input + at))->returnflag = "ANR"[at % 3];
		((struct csd_lineitem *)(input + at))->linestatus = "FO"[at / 8 % 2];
	}
	run_check(&program, &job, 3, "any bytes", NULL);
	return run_end(program.name);
}
