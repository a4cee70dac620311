/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <string.h>

#include "reference.h"

/* A request that is being served. */
struct walk {
	const struct job *job;
	struct csd_btree tree;
	struct csd_btree_request request;
	struct result *wanted;
	uint64_t found, key;
};

enum end { GO_ON, DONE, CORRUPT };

static void
btree_read(const struct walk *walk, uint64_t at, void *to, uint64_t bytes)
{
	memcpy(to, walk->job->range + at, bytes);
}

/* All entries of the request below a page. `level` < 0: any is right. `leftmost`: nothing of the request lies before it. */
static enum end
btree_walk(struct walk *walk, uint64_t page, int level, bool leftmost)
{
	struct csd_btree_page head;
	struct csd_btree_entry entry;
	uint64_t begin = page + sizeof(head), from = 0;

	if (page % walk->tree.page_bytes != 0 || walk->job->range_bytes < walk->tree.page_bytes ||
	    page > walk->job->range_bytes - walk->tree.page_bytes) {
		return CORRUPT;
	}
	btree_read(walk, page, &head, sizeof(head));
	if (head.magic != CSD_BTREE_MAGIC || head.level > CSD_BTREE_MOST_LEVEL || (level >= 0 && head.level != level) ||
	    head.count == 0 || sizeof(head) + head.count * sizeof(entry) > walk->tree.page_bytes) {
		return CORRUPT;
	}
	/* Above leaves the last entry that is not above the first key; of a leaf the first that is not below it. */
	for (uint64_t i = 0; leftmost && i < head.count; i++) {
		btree_read(walk, begin + i * sizeof(entry), &entry, sizeof(entry));
		if (head.level > 0 && entry.key <= walk->request.first) {
			from = i;
		}
		if (head.level == 0 && entry.key < walk->request.first) {
			from = i + 1;
		}
	}
	for (uint64_t i = from; i < head.count; i++) {
		enum end end;

		btree_read(walk, begin + i * sizeof(entry), &entry, sizeof(entry));
		if (head.level > 0) {
			end = btree_walk(walk, entry.value, head.level - 1, leftmost && i == from);
			if (end != GO_ON) {
				return end;
			}
			continue;
		}
		if (entry.key < walk->request.first || (walk->found > 0 && entry.key <= walk->key)) {
			return CORRUPT;
		}
		if (entry.key > walk->request.last) {
			return DONE;
		}
		result_append(walk->wanted, &entry, sizeof(entry));
		walk->key = entry.key;
		walk->found++;
	}
	return GO_ON;
}

void
reference_btree_lookup(const struct job *job, struct result *wanted)
{
	struct csd_btree_state *state = (struct csd_btree_state *)wanted->state;
	struct walk walk = {.job = job, .wanted = wanted};

	if (job->data_bytes < sizeof(walk.tree)) {
		state->error = CSD_PROGRAM_DATA_SHORT;
		return;
	}
	memcpy(&walk.tree, job->data, sizeof(walk.tree));
	if (walk.tree.page_bytes < 32 || walk.tree.page_bytes > 65536 || walk.tree.page_bytes % 16 != 0 || walk.tree.reserved != 0) {
		state->error = CSD_PROGRAM_DATA_VALUE;
		return;
	}
	if (job->range == NULL) {
		state->error = CSD_PROGRAM_RANGE;
		return;
	}
	for (uint64_t at = 0; at + sizeof(walk.request) <= job->bytes; at += sizeof(walk.request)) {
		enum end end = DONE;

		memcpy(&walk.request, job->input + at, sizeof(walk.request));
		walk.found = 0;
		if (walk.request.first <= walk.request.last) {
			end = btree_walk(&walk, walk.tree.root, -1, true);
		}
		state->requests++;
		state->found += walk.found;
		state->corrupt += end == CORRUPT;
		state->missing += end != CORRUPT && walk.found == 0;
	}
	state->rest_bytes = job->bytes % sizeof(walk.request);
}
