/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <string.h>

#include "chance.h"
#include "csd_programs.h"
#include "jobs.h"
#include "sample_btree.h"
#include "samples.h"

/* Keys of a tree of half a million, in any order. */
static void
job_btree_lookup(struct job *job, uint8_t *input)
{
	static uint8_t range[16 * 1024 * 1024] __attribute__((aligned(64)));
	static struct csd_btree tree = {.page_bytes = 4096};

	tree.root = sample_btree(range, sizeof(range), tree.page_bytes, 500000, false);
	chance_begin(11, 8);
	for (uint64_t at = 0; at + 16 <= job->bytes; at += 16) {
		uint64_t key = SAMPLE_BTREE_FIRST + below(500000) * SAMPLE_BTREE_STEP, request[2] = {key, key};

		memcpy(input + at, request, 16);
	}
	job->data = &tree;
	job->data_bytes = sizeof(tree);
	job->range = range;
	job->range_bytes = sizeof(range);
}

static void
job_count_range(struct job *job, uint8_t *input)
{
	static const struct csd_count_range given = {.stride_bytes = 4, .type = CSD_U32};

	sample_numbers(input, job->bytes);
	job->cparam1 = 1000000000;
	job->cparam2 = 3000000000;
	job->data = &given;
	job->data_bytes = sizeof(given);
}

static void
job_crc32c_scrub(struct job *job, uint8_t *input)
{
	sample_numbers(input, job->bytes);
}

static const struct csd_filter csv_given = {.field = 3, .keep = CSD_GREATER, .as = CSD_AS_NUMBER, .flags = CSD_FILTER_HEADER,
	.operand_bytes = 6};
static const struct csd_filter json_given = {.keep = CSD_EQUAL, .name_bytes = 5, .operand_bytes = 5};

static void
job_filter(struct job *job, const struct csd_filter *given, const char *behind)
{
	static uint8_t data[256];

	memcpy(data, given, sizeof(*given));
	memcpy(data + sizeof(*given), behind, strlen(behind));
	job->data = data;
	job->data_bytes = sizeof(*given) + strlen(behind);
}

static void
job_csv_filter(struct job *job, uint8_t *input)
{
	sample_csv(input, job->bytes);
	job_filter(job, &csv_given, "4500.5");
}

static void
job_json_filter(struct job *job, uint8_t *input)
{
	sample_json(input, job->bytes);
	job_filter(job, &json_given, "levelerror");
}

static void
job_grep(struct job *job, uint8_t *input)
{
	static const uint8_t given[] = "\2\0\0\0\0\0\0\0\7\0refused\5\0ERROR";

	sample_log(input, job->bytes);
	job->data = given;
	job->data_bytes = sizeof(given) - 1;
}

static void
job_group_by(struct job *job, uint8_t *input)
{
	static const struct csd_group_by given = {16, 0, CSD_U64, 8, CSD_S64, 0};

	sample_sales(input, job->bytes);
	job->data = &given;
	job->data_bytes = sizeof(given);
}

static void
job_nearest(struct job *job, uint8_t *input)
{
	static const struct csd_nearest given = {.stride_bytes = 256, .offset = 1, .features = 255, .type = CSD_S8, .k = 10};

	sample_numbers(input, job->bytes);
	job->data = &given;
	job->data_bytes = sizeof(given);
}

static void
job_rle_decode(struct job *job, uint8_t *input)
{
	sample_packbits(input, job->bytes);
}

static void
job_tpch(struct job *job, uint8_t *input)
{
	sample_lineitem(input, job->bytes);
}

static const struct {
	const char *name;
	void (*make)(struct job *job, uint8_t *input);
} jobs[] = {
	{"btree_lookup", job_btree_lookup},
	{"count_range", job_count_range},
	{"crc32c_scrub", job_crc32c_scrub},
	{"csv_filter", job_csv_filter},
	{"json_filter", job_json_filter},
	{"grep", job_grep},
	{"group_by", job_group_by},
	{"nearest", job_nearest},
	{"rle_decode", job_rle_decode},
	{"tpch_q1", job_tpch},
	{"tpch_q6", job_tpch},
};

bool
job_make(const char *name, uint64_t bytes, uint8_t *input, struct job *job)
{
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		if (strcmp(jobs[i].name, name) == 0) {
			*job = (struct job) {.input = input, .bytes = bytes};
			jobs[i].make(job, input);
			return true;
		}
	}
	return false;
}
