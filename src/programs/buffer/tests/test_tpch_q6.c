/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "chance.h"
#include "lineitem.h"
#include "reference.h"
#include "samples.h"
#include "test.h"

#define RECORDS	4000
#define BYTES	(RECORDS * sizeof(struct csd_lineitem))

static const struct program program = {
	.name = "tpch_q6", .reference = reference_tpch_q6, .state_bytes = sizeof(struct csd_q6_state),
	.most_part = sizeof(struct csd_lineitem), .item_bytes = 1, .most_rest = sizeof(struct csd_lineitem) - 1,
};

/* Two records on each side of every limit. */
static void
check_limits(void)
{
	static const struct csd_lineitem good = {.shipdate = 8766, .discount = 5, .quantity = 2399, .extendedprice = 1000};
	struct csd_lineitem lines[12];
	struct job job = {.input = (const uint8_t *)lines, .bytes = sizeof(lines)};
	struct result result;
	const struct csd_q6_state *state = (const struct csd_q6_state *)result.state;

	for (int i = 0; i < 12; i++) {
		lines[i] = good;
	}
	lines[1].shipdate = 8765;
	lines[2].shipdate = 9130;
	lines[3].shipdate = 9131;
	lines[4].discount = 4;
	lines[5].discount = 7;
	lines[6].discount = 8;
	lines[7].quantity = 2400;
	lines[8].extendedprice = -1000;
	run_check(&program, &job, 10, "limits", &result);
	CHECK_EQUAL(state->selected, 7);
	CHECK_EQUAL(state->revenue, 1000 * 5 * 4 + 1000 * 7);
	free(result.out);
}

int
main(int argc, char **argv)
{
	static uint8_t input[BYTES];
	struct csd_q6 query = {.shipdate_from = 8035, .shipdate_to = 9000, .discount_greatest = 10, .quantity_below = 3000};
	struct job job = {.input = input, .bytes = BYTES};
	struct result result;

	run_begin(argc, argv);
	sample_lineitem(input, BYTES);
	run_check(&program, &job, 5, "validation", &result);
	CHECK(((struct csd_q6_state *)result.state)->selected > 20, "%llu of %d selected", ((struct csd_q6_state *)result.state)->selected,
	      RECORDS);
	free(result.out);
	job.data = &query;
	job.data_bytes = sizeof(query);
	run_check(&program, &job, 5, "another query", NULL);
	for (uint64_t bytes = 0; bytes < 300; bytes += 27) {
		job.bytes = bytes;
		run_check(&program, &job, 1, "few bytes", NULL);
	}
	job.bytes = BYTES;
	job.data_bytes--;
	run_check(&program, &job, 1, "short data", NULL);
	job.data_bytes++;
	query.reserved = 1;
	run_check(&program, &job, 1, "wrong data", NULL);
	check_limits();
	sample_numbers(input, BYTES);
	query = (struct csd_q6) {INT32_MIN, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MAX, 0};
	run_check(&program, &job, 3, "any bytes", NULL);
	return run_end(program.name);
}
