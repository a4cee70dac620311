/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "check.h"
#include "csd_filter.h"

/* The filter in the plainest words: one record at a time, from the back. */
static size_t
reference(const struct csd_record *records, size_t count, int32_t threshold, uint64_t *ids)
{
	size_t found = 0, i;

	for (i = count; i-- > 0; ) {
		if (!(records[i].temperature < threshold)) {
			ids[found++] = records[i].id;
		}
	}
	return found;
}

static void
test_against_reference(void)
{
	static const int32_t thresholds[] = { INT32_MIN, -40001, -40000, 0, 24999, 25000, 50000, 70000, 85000, 124999,
					      125000, INT32_MAX };
	static struct csd_record records[2000], out[2000];
	static uint64_t ids[2000];
	size_t i, j, count;

	for (count = 0; count <= 2000; count = count * 3 + 1) {
		struct csd_dataset set;

		csd_dataset_init(&set, 2000, count);
		csd_dataset_fill(&set, 0, count, records);
		for (i = 0; i < sizeof(thresholds) / sizeof(thresholds[0]); i++) {
			size_t wanted = reference(records, count, thresholds[i], ids);

			CHECK_U64(csd_filter(records, count, thresholds[i], out), wanted);
			for (j = 0; j < wanted; j++) {
				CHECK_U64(out[j].id, ids[wanted - 1 - j]);
				CHECK(memcmp(&out[j], &records[out[j].id], sizeof(out[j])) == 0);
			}
		}
	}
}

static void
test_extreme_temperatures(void)
{
	struct csd_record records[3] = { { .id = 0, .temperature = INT32_MIN }, { .id = 1, .temperature = INT32_MAX },
					 { .id = 2, .temperature = -1 } };
	struct csd_record out[3];

	CHECK_U64(csd_filter(records, 3, INT32_MIN, out), 3);
	CHECK_U64(csd_filter(records, 3, INT32_MAX, out), 1);
	CHECK_U64(out[0].id, 1);
	CHECK_U64(csd_filter(records, 3, 0, out), 1);
	CHECK_U64(csd_filter(records, 0, INT32_MIN, out), 0);
}

int
main(void)
{
	RUN(test_against_reference);
	RUN(test_extreme_temperatures);
	return check_done();
}
