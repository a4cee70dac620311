/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_task.h"

#include "csd_digest.h"

#include <string.h>

#define SAMPLE_EVERY		100
#define HISTOGRAM_FIRST		-40000
#define HISTOGRAM_SHIFT		12	/* bins of 4.096 degrees */

/*
 * The eight bytes around the boundary of two records in the middle of the data set: the last four of a payload and the
 * first four of the next id. The boundary is one of blocks too, and of ranges, wherever the data set is cut at powers of two.
 */
static void
task_prepare_search(struct csd_task *task, const struct csd_dataset *set)
{
	struct csd_record pair[2];
	uint64_t middle = 1;

	while (middle * 2 < set->records) {
		middle *= 2;
	}
	memset(pair, 0, sizeof(pair));
	csd_dataset_fill(set, set->records > 1 ? middle - 1 : 0, set->records > 1 ? 2 : 1, pair);
	memcpy(&task->parameters.cparam1, (const uint8_t *)&pair[1] - 4, 8);
	snprintf(task->text, sizeof(task->text), "8 bytes %016lx across two records",
		 (unsigned long)__builtin_bswap64(task->parameters.cparam1));
}

bool
csd_task_init(struct csd_task *task, const char *name, uint32_t level, const struct csd_dataset *set)
{
	memset(task, 0, sizeof(*task));
	task->level = CSD_NO_LEVEL;
	task->native = csd_native_find(name);
	if (task->native == NULL) {
		return false;
	}
	if (task->native->emit == CSD_EMIT_RECORD) {
		task->emit_bytes = task->native->record_bytes;
	} else {
		task->emit_bytes = task->native->emit == CSD_EMIT_OFFSET ? sizeof(uint64_t) : 0;
	}
	if (strcmp(name, "threshold") == 0) {
		task->level = level;
		task->parameters.cparam1 = (uint64_t)(int64_t)csd_selectivities[level].threshold;
		snprintf(task->text, sizeof(task->text), "temperature >= %d", csd_selectivities[level].threshold);
	} else if (strcmp(name, "search") == 0) {
		task_prepare_search(task, set);
	} else if (strcmp(name, "sample") == 0) {
		task->split = CSD_SPLIT_SEQUENCE;
		task->period_bytes = (uint64_t)SAMPLE_EVERY * CSD_RECORD_BYTES;
		task->parameters.cparam1 = SAMPLE_EVERY;
		snprintf(task->text, sizeof(task->text), "each %dth record", SAMPLE_EVERY);
	} else {
		task->split = CSD_SPLIT_MERGE;
		snprintf(task->text, sizeof(task->text), "temperature");
	}
	if (strcmp(name, "histogram") == 0) {
		task->parameters.cparam1 = CSD_HISTOGRAM(HISTOGRAM_FIRST, HISTOGRAM_SHIFT);
		snprintf(task->text, sizeof(task->text), "temperature, 64 bins of %d from %d", 1 << HISTOGRAM_SHIFT,
			 HISTOGRAM_FIRST);
	}
	task->overlap = (uint32_t)csd_native_overlap(task->native, &task->parameters);
	return true;
}

const char *
csd_task_selectivity(const struct csd_task *task)
{
	return task->level == CSD_NO_LEVEL ? NULL : csd_selectivities[task->level].name;
}

void
csd_output_reset(struct csd_output *output)
{
	output->bytes = 0;
	output->matches = 0;
	output->begun = false;
	output->scan_ns = 0;
	output->commands = 0;
	output->copy_s = output->execute_s = output->read_s = 0;
	memset(output->state, 0, sizeof(output->state));
}

/* Only the few offsets that a search finds: one by one. */
static void
task_append_offsets(struct csd_output *output, uint64_t start, uint64_t end, const uint8_t *items, uint64_t bytes)
{
	uint64_t i;

	for (i = 0; i < bytes; i += sizeof(uint64_t)) {
		uint64_t offset;

		memcpy(&offset, items + i, sizeof(offset));
		offset += start;
		if (offset < end) {
			memcpy(output->data + output->bytes, &offset, sizeof(offset));
			output->bytes += sizeof(offset);
			output->matches++;
		}
	}
}

int
csd_output_append(struct csd_output *output, const struct csd_task *task, uint64_t start, uint64_t end,
		  const uint8_t *items, uint64_t bytes, struct csd_error *err)
{
	if (bytes > output->capacity - output->bytes) {
		csd_fail(err, CSD_WRONG_DATA, "what %s selects", task->native->name);
		csd_found(err, "by byte %lu more is selected than in the whole data set", start);
		return csd_fix(err, "verify the data set, and write it again");
	}
	if (task->native->emit == CSD_EMIT_OFFSET) {
		task_append_offsets(output, start, end, items, bytes);
	} else if (bytes > 0) {
		memcpy(output->data + output->bytes, items, bytes);
		output->bytes += bytes;
		output->matches += bytes / task->emit_bytes;
	}
	return 0;
}

static void
task_merge_aggregate(struct csd_aggregate_state *all, const struct csd_aggregate_state *one)
{
	if (one->count == 0) {
		return;
	}
	if (all->count == 0 || one->minimum < all->minimum) {
		all->minimum = one->minimum;
	}
	if (all->count == 0 || one->maximum > all->maximum) {
		all->maximum = one->maximum;
	}
	all->count += one->count;
	all->sum += one->sum;
}

static void
task_merge_histogram(struct csd_histogram_state *all, const struct csd_histogram_state *one)
{
	size_t i;

	for (i = 0; i < sizeof(all->bins) / sizeof(all->bins[0]); i++) {
		all->bins[i] += one->bins[i];
	}
}

static void
task_merge_top(struct csd_top_state *all, const struct csd_top_state *one)
{
	const struct csd_record *hottest = (const struct csd_record *)all->record;
	const struct csd_record *other = (const struct csd_record *)one->record;

	if (one->found && (!all->found || other->temperature > hottest->temperature)) {
		*all = *one;
	}
}

void
csd_output_state(struct csd_output *output, const struct csd_task *task, const void *state)
{
	uint8_t copy[CSD_MAX_STATE_BYTES] __attribute__((aligned(8)));
	const char *name = task->native->name;

	memcpy(copy, state, task->native->state_bytes);
	if (task->split != CSD_SPLIT_MERGE || !output->begun) {
		memcpy(output->state, copy, task->native->state_bytes);
	} else if (strcmp(name, "aggregate") == 0) {
		task_merge_aggregate((struct csd_aggregate_state *)output->state,
				     (const struct csd_aggregate_state *)copy);
	} else if (strcmp(name, "histogram") == 0) {
		task_merge_histogram((struct csd_histogram_state *)output->state,
				     (const struct csd_histogram_state *)copy);
	} else {
		task_merge_top((struct csd_top_state *)output->state, (const struct csd_top_state *)copy);
	}
	output->begun = true;
}

void
csd_output_sha256(const struct csd_output *output, const struct csd_task *task, char hex[CSD_HEX_BYTES])
{
	if (task->native->emit == CSD_EMIT_NOTHING) {
		csd_digest_of(output->state, task->native->state_bytes, hex);
	} else {
		csd_digest_of(output->data, output->bytes, hex);
	}
}
