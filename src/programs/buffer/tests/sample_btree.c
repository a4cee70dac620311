/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "chance.h"
#include "csd_programs.h"
#include "sample_btree.h"
#include "test.h"

struct builder {
	uint8_t *range;
	uint32_t page_bytes;
	uint64_t *free;		/* offsets of pages that are free, in any order */
	uint64_t free_count;
	bool sparse;
};

/* So many entries of a level become pages; what leads to these is put in their place. */
static uint64_t
sample_btree_level(struct builder *builder, struct csd_btree_entry *entries, uint64_t count, uint32_t level)
{
	uint64_t most = (builder->page_bytes - sizeof(struct csd_btree_page)) / sizeof(*entries), pages = 0;

	for (uint64_t at = 0; at < count; pages++) {
		uint64_t bytes = builder->sparse && level == 0 ? 1 + below(most) : most, left = count - at, offset;
		struct csd_btree_page *page;

		bytes = bytes < left ? bytes : left;
		CHECK(builder->free_count > 0, "no page is left");
		offset = builder->free[--builder->free_count];
		page = (struct csd_btree_page *)(builder->range + offset);
		*page = (struct csd_btree_page) {.magic = CSD_BTREE_MAGIC, .level = level, .count = bytes};
		memcpy(page->entries, entries + at, bytes * sizeof(*entries));
		entries[pages] = (struct csd_btree_entry) {.key = entries[at].key, .value = offset};
		at += bytes;
	}
	return pages;
}

uint64_t
sample_btree(uint8_t *range, uint64_t range_bytes, uint32_t page_bytes, uint64_t entries, bool sparse)
{
	struct builder builder = {range, page_bytes, NULL, range_bytes / page_bytes, sparse};
	struct csd_btree_entry *level_entries = calloc(entries, sizeof(*level_entries));
	uint64_t count = entries, root;

	chance_begin(11, 7);
	builder.free = calloc(builder.free_count + 1, sizeof(*builder.free));
	for (uint64_t i = 0; i < builder.free_count; i++) {
		uint64_t other = below(i + 1);

		builder.free[i] = builder.free[other];
		builder.free[other] = i * page_bytes;
	}
	for (uint64_t i = 0; i < entries; i++) {
		uint64_t key = SAMPLE_BTREE_FIRST + i * SAMPLE_BTREE_STEP;

		level_entries[i] = (struct csd_btree_entry) {.key = key, .value = key * key};
	}
	for (uint32_t level = 0; level == 0 || count > 1; level++) {
		count = sample_btree_level(&builder, level_entries, count, level);
	}
	root = level_entries[0].value;
	free(level_entries);
	free(builder.free);
	return root;
}
