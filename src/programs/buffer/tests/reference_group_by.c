/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <stdlib.h>
#include <string.h>

#include "reference.h"

/* In the order in which they were met. */
struct entry {
	struct csd_group group;
	uint64_t left, right;	/* entries by key, counted from 1 */
};

static bool
group_by_wrong(const struct csd_group_by *given)
{
	return given->stride_bytes == 0 || given->stride_bytes > CSD_MOST_STRIDE || given->key_type > CSD_S64 ||
		given->value_type > CSD_S64 ||
	       given->reserved != 0 || (uint64_t)given->key_offset + (1 << (given->key_type & 3)) > given->stride_bytes ||
	       (uint64_t)given->value_offset + (1 << (given->value_type & 3)) > given->stride_bytes;
}

/* A search tree, without any balance: records come by chance. NULL: full. */
static struct csd_group *
group_by_find(struct entry *entries, __u64 *count, uint64_t key)
{
	uint64_t at = *count > 0 ? 1 : 0, *link = NULL;

	while (at != 0) {
		struct entry *entry = &entries[at - 1];

		if (entry->group.key == key) {
			return &entry->group;
		}
		link = key < entry->group.key ? &entry->left : &entry->right;
		at = *link;
	}
	if (*count == CSD_GROUPS) {
		return NULL;
	}
	entries[*count].group.key = key;
	(*count)++;
	if (link != NULL) {
		*link = *count;
	}
	return &entries[*count - 1].group;
}

void
reference_group_by(const struct job *job, struct result *wanted)
{
	struct csd_group_by_state *state = (struct csd_group_by_state *)wanted->state;
	struct entry *entries;
	struct csd_group_by given;

	if (job->data_bytes < sizeof(given)) {
		state->error = CSD_PROGRAM_DATA_SHORT;
		return;
	}
	memcpy(&given, job->data, sizeof(given));
	if (group_by_wrong(&given)) {
		state->error = CSD_PROGRAM_DATA_VALUE;
		return;
	}
	entries = calloc(CSD_GROUPS, sizeof(*entries));
	for (uint64_t at = 0; job->bytes - at >= given.stride_bytes; at += given.stride_bytes) {
		__int128 key = reference_number(job->input + at + given.key_offset, given.key_type);
		__int128 value = reference_number(job->input + at + given.value_offset, given.value_type);
		struct csd_group *group = group_by_find(entries, &state->groups, (uint64_t)key);
		bool is_signed = given.value_type >= CSD_S8;

		state->records++;
		if (group == NULL) {
			state->overflow++;
			continue;
		}
		if (group->count++ == 0) {
			group->least = group->greatest = (uint64_t)value;
		}
		group->sum += (uint64_t)value;
		if (value < (is_signed ? (__int128)(int64_t)group->least : (__int128)group->least)) {
			group->least = (uint64_t)value;
		}
		if (value > (is_signed ? (__int128)(int64_t)group->greatest : (__int128)group->greatest)) {
			group->greatest = (uint64_t)value;
		}
	}
	state->rest_bytes = job->bytes % given.stride_bytes;
	for (uint64_t i = 0; i < state->groups; i++) {
		result_append(wanted, &entries[i].group, sizeof(entries[i].group));
	}
	free(entries);
}
