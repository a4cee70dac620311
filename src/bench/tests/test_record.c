/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "check.h"
#include "csd_digest.h"

#define EPOCH_NS	UINT64_C(1767225600000000000)

static struct csd_record *
make(uint64_t records, uint64_t seed, struct csd_dataset *set)
{
	struct csd_record *made = calloc(records, sizeof(*made));

	csd_dataset_init(set, records, seed);
	csd_dataset_fill(set, 0, records, made);
	return made;
}

/* round(n * permille / 1000), halves up, in other words than the code's. */
static uint64_t
expected(uint64_t n, uint32_t permille)
{
	uint64_t whole = n * permille / 1000, rest = n * permille % 1000;

	return whole + (rest >= 500);
}

static void
test_selectivities_are_exact(void)
{
	static const uint64_t sizes[] = { 1, 2, 3, 7, 8, 9, 10, 63, 64, 65, 499, 500, 501, 999, 1000, 1001, 4095,
					  4096, 12345, 65537 };
	size_t i, level, record;
	uint64_t seed;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (seed = 0; seed < 5; seed++) {
			struct csd_dataset set;
			struct csd_record *made = make(sizes[i], seed * seed * 977, &set);

			for (level = 0; level < CSD_SELECTIVITIES; level++) {
				uint64_t matches = 0;

				for (record = 0; record < sizes[i]; record++) {
					matches += made[record].temperature >= csd_selectivities[level].threshold;
				}
				CHECK_U64(matches, expected(sizes[i], csd_selectivities[level].permille));
				CHECK_U64(matches, csd_dataset_matches(&set, csd_selectivities[level].permille));
			}
			free(made);
		}
	}
}

static void
test_every_small_size_is_exact(void)
{
	uint64_t records, i;
	size_t level;

	for (records = 1; records < 1500; records++) {
		struct csd_dataset set;
		struct csd_record *made = make(records, records * 31, &set);

		for (level = 0; level < CSD_SELECTIVITIES; level++) {
			uint64_t matches = 0;

			for (i = 0; i < records; i++) {
				matches += made[i].temperature >= csd_selectivities[level].threshold;
			}
			CHECK_U64(matches, expected(records, csd_selectivities[level].permille));
		}
		free(made);
	}
}

/*
 * No clustering: at every level two neighbouring matches are less than two strata of that level apart, and a stratum
 * of a hundredth of the data set holds its share within a few.
 */
static void
test_matches_are_spread_evenly(void)
{
	const uint64_t records = 100000;
	struct csd_dataset set;
	struct csd_record *made = make(records, 42, &set);
	size_t level, part;
	uint64_t i;

	for (level = 1; level < CSD_SELECTIVITIES - 1; level++) {	/* 1 %, 10 %, 50 % */
		uint64_t wanted = csd_dataset_matches(&set, csd_selectivities[level].permille) / 100;

		for (part = 0; part < 100; part++) {
			uint64_t matches = 0;

			for (i = part * 1000; i < (part + 1) * 1000; i++) {
				matches += made[i].temperature >= csd_selectivities[level].threshold;
			}
			CHECK(matches + 2 >= wanted && matches <= wanted + 2);
		}
	}
	free(made);
}

/* A filter on periodic data would be measured with a branch predictor that has learnt it. */
static void
test_matches_are_not_periodic(void)
{
	struct csd_dataset set;
	struct csd_record *made = make(20000, 7, &set);
	unsigned int gaps[2000] = { 0 }, different = 0;
	uint64_t i, last = 0;

	for (i = 0; i < 20000; i++) {
		if (made[i].temperature >= 70000) {
			gaps[i - last]++;
			last = i;
		}
	}
	for (i = 0; i < 2000; i++) {
		different += gaps[i] > 0;
	}
	CHECK(different > 80);
	free(made);
}

static void
test_any_range_is_the_same(void)
{
	struct csd_dataset set;
	struct csd_record *all = make(5000, 3, &set);
	struct csd_record some[37];
	uint64_t first;

	for (first = 0; first + 37 <= 5000; first += 113) {
		csd_dataset_fill(&set, first, 37, some);
		CHECK(memcmp(some, all + first, sizeof(some)) == 0);
	}
	free(all);
}

static void
test_seed_and_size_make_a_difference(void)
{
	struct csd_dataset set;
	struct csd_record *a = make(1000, 1, &set), *b = make(1000, 2, &set), *c = make(1001, 1, &set);
	unsigned int same = 0, i;

	CHECK(memcmp(a, b, 64000) != 0);
	for (i = 0; i < 1000; i++) {
		same += a[i].payload[0] == b[i].payload[0];
		CHECK(memcmp(a[i].payload, c[i].payload, sizeof(a[i].payload)) == 0);
	}
	CHECK_U64(same, 0);
	free(a);
	free(b);
	free(c);
}

static void
test_fields(void)
{
	struct csd_dataset set;
	struct csd_record *made = make(3000, 99, &set);
	uint64_t i;

	for (i = 0; i < 3000; i++) {
		CHECK_U64(made[i].id, i);
		CHECK_U64((made[i].timestamp - EPOCH_NS) / 1000000, i);
		CHECK(made[i].device < 1000);
		CHECK(made[i].temperature >= -40000 && made[i].temperature < 125000);
	}
	free(made);
}

static void
test_recognising_our_records(void)
{
	struct csd_dataset set;
	struct csd_record *made = make(100, 5, &set);
	struct csd_record zero = { 0 }, other;

	CHECK(csd_record_is_ours(&made[7], 7));
	CHECK(!csd_record_is_ours(&made[7], 8));
	CHECK(!csd_record_is_ours(&zero, 0));
	CHECK(csd_record_is_zero(&zero));
	CHECK(!csd_record_is_zero(&made[0]));
	other = made[7];
	other.payload[4] ^= 1;		/* damaged, and ours still */
	CHECK(csd_record_is_ours(&other, 7));
	other.timestamp += 1000000;
	CHECK(!csd_record_is_ours(&other, 7));
	other.timestamp -= 2000000;
	CHECK(!csd_record_is_ours(&other, 7));
	free(made);
}

static void
test_answer_agrees_with_the_records(void)
{
	struct csd_dataset set;
	struct csd_record *made = make(9001, 11, &set), *matching = calloc(9001, sizeof(*matching));
	struct csd_answer answer;
	char hex[CSD_HEX_BYTES];
	size_t level, i;

	csd_answer_compute(&set, &answer);
	csd_digest_of(made, 9001 * sizeof(*made), hex);
	CHECK_TEXT(answer.sha256, hex);
	for (level = 0; level < CSD_SELECTIVITIES; level++) {
		size_t found = 0;

		for (i = 0; i < 9001; i++) {
			if (made[i].temperature >= csd_selectivities[level].threshold) {
				matching[found++] = made[i];
			}
		}
		csd_digest_of(matching, found * sizeof(*matching), hex);
		CHECK_U64(answer.at[level].matches, found);
		CHECK_TEXT(answer.at[level].sha256, hex);
	}
	CHECK_TEXT(answer.at[4].sha256, answer.sha256);
	free(made);
	free(matching);
}

static void
test_sha256_is_the_standards(void)
{
	char hex[CSD_HEX_BYTES];

	csd_digest_of("abc", 3, hex);		/* FIPS 180-2, appendix B.1 */
	CHECK_TEXT(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int
main(void)
{
	RUN(test_selectivities_are_exact);
	RUN(test_every_small_size_is_exact);
	RUN(test_matches_are_spread_evenly);
	RUN(test_matches_are_not_periodic);
	RUN(test_any_range_is_the_same);
	RUN(test_seed_and_size_make_a_difference);
	RUN(test_fields);
	RUN(test_recognising_our_records);
	RUN(test_answer_agrees_with_the_records);
	RUN(test_sha256_is_the_standards);
	return check_done();
}
