/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Entries of a B+ tree by ranges of keys: struct csd_btree. The way from the root to an entry is kept between calls, so that a
 * request whose entries found no room goes on where it was.
 */
#include "csd_bpf.h"
#include "csd_programs.h"

CSD_STATE(struct csd_btree_state);

/* Of each level that the way goes through, the root's last: where its page is, and which of its entries. */
static struct {
	__u64 offset;
	__u32 at, count;
} way[CSD_BTREE_MOST_LEVEL + 1];
static __u32 root_level;

static __u64 range_begin, range_bytes;	/* for which the way is good */
static __u64 page_bytes;
static __u64 going_on;			/* the request at the begin of the part has a way already */
static __u64 came_out;			/* of that request: entries; if there were any, ... */
static __u64 last_key;			/* ... the key of the last one */

enum found { FOUND, NONE, CORRUPT };

static inline const struct csd_btree_entry *btree_entries(__u64 offset)
{
	return ((const struct csd_btree_page *)(range_begin + offset))->entries;
}

/* The way goes through this page, by its first entry. Each field is read once, as it may change. False: it is no good page. */
static inline int btree_enter(__u64 offset, __u32 level)
{
	const struct csd_btree_page *page = (const struct csd_btree_page *)(range_begin + offset);
	__u32 count;

	if (range_bytes < page_bytes || offset > range_bytes - page_bytes || offset % page_bytes != 0)
		return 0;
	count = page->count;
	if (page->magic != CSD_BTREE_MAGIC || page->level != level || count == 0 ||
	    count > (page_bytes - sizeof(*page)) / sizeof(page->entries[0]))
		return 0;
	way[level].offset = offset;
	way[level].count = count;
	way[level].at = 0;
	return 1;
}

/* How many of so many entries have a key of at most this one: by halves. */
static inline __u32 btree_count_up_to(const struct csd_btree_entry *entries, __u32 count, __u64 key)
{
	__u32 from = 0;

	while (count > 0) {
		__u32 half = (count + 1) / 2;

		from += entries[from + half - 1].key <= key ? half : 0;
		count -= half;
	}
	return from;
}

/* From this page down to a leaf: to the first entry. */
static enum found btree_descend(__u64 offset, __u32 level)
{
	for (;;) {
		if (!btree_enter(offset, level))
			return CORRUPT;
		if (level == 0)
			return FOUND;
		offset = btree_entries(offset)->value;
		level--;
	}
}

/* From the root to the first entry of a key, or of what is above it: perhaps behind the last one of its leaf. */
static enum found btree_seek(__u64 offset, __u64 key)
{
	__u32 level, at;

	if (range_bytes < page_bytes || offset > range_bytes - page_bytes)
		return CORRUPT;
	level = ((const struct csd_btree_page *)(range_begin + offset))->level;
	if (level > CSD_BTREE_MOST_LEVEL)
		return CORRUPT;
	root_level = level;
	for (;;) {
		const struct csd_btree_entry *entries = btree_entries(offset);

		if (!btree_enter(offset, level))
			return CORRUPT;
		at = btree_count_up_to(entries, way[level].count, key);
		/* A key below the first one of a page above leaves belongs to the first, too. */
		if (at > 0 && (level > 0 || entries[at - 1].key == key))
			at--;
		way[level].at = at;
		if (level == 0)
			return FOUND;
		offset = entries[at].value;
		level--;
	}
}

/* Behind the last entry of a leaf: the first one of the next leaf. */
static enum found btree_next_leaf(void)
{
	__u32 level = 1;

	while (level <= root_level && way[level].at + 1 >= way[level].count)
		level++;
	if (level > root_level)
		return NONE;
	way[level].at++;
	return btree_descend(btree_entries(way[level].offset)[way[level].at].value, level - 1);
}

/* The entry that the way leads to: FOUND if it is in the request's range. */
static inline enum found btree_look(const struct csd_btree_request *request, struct csd_btree_entry *entry)
{
	if (way[0].at >= way[0].count) {
		enum found found = btree_next_leaf();

		if (found != FOUND)
			return found;
	}
	*entry = btree_entries(way[0].offset)[way[0].at];
	if (entry->key < request->first || (came_out > 0 && entry->key <= last_key))
		return CORRUPT;
	return entry->key <= request->last ? FOUND : NONE;
}

/* False: there is no room for an entry of the request. */
static int btree_take(const struct csd_btree_request *request, __u64 root)
{
	struct csd_btree_entry entry;
	enum found found = FOUND;

	if (!going_on) {
		came_out = 0;
		found = request->first <= request->last ? btree_seek(root, request->first) : NONE;
	}
	while (found == FOUND) {
		found = btree_look(request, &entry);
		if (found != FOUND)
			break;
		if (csd_emit(&entry, sizeof(entry)) != 0) {
			going_on = 1;
			return 0;
		}
		last_key = entry.key;
		came_out++;
		way[0].at++;
	}
	going_on = 0;
	csd_state.requests++;
	csd_state.found += came_out;
	csd_state.missing += found == NONE && came_out == 0;
	csd_state.corrupt += found == CORRUPT;
	return 1;
}

CSD_BUFFER_PROGRAM
int btree_lookup(struct csd_context *context)
{
	const struct csd_btree *given = (const struct csd_btree *)context->data;
	const __u8 *at = context->begin;

	context->consumed = 0;
	if (context->data_bytes < sizeof(*given)) {
		csd_state.error = CSD_PROGRAM_DATA_SHORT;
		return CSD_STOP;
	}
	if (given->page_bytes < 32 || given->page_bytes > 65536 || given->page_bytes % 16 != 0 || given->reserved != 0) {
		csd_state.error = CSD_PROGRAM_DATA_VALUE;
		return CSD_STOP;
	}
	if (context->range_count == 0) {
		csd_state.error = CSD_PROGRAM_RANGE;
		return CSD_STOP;
	}
	/* Where a request goes on, its way must be within the range still: it always is, as a command's ranges stay. */
	if (going_on && context->ranges[0].bytes != range_bytes) {
		csd_state.error = CSD_PROGRAM_RANGE;
		return CSD_STOP;
	}
	range_begin = (__u64)context->ranges[0].begin;
	range_bytes = context->ranges[0].bytes;
	page_bytes = given->page_bytes;
	while ((__u64)(context->end - at) >= sizeof(struct csd_btree_request)) {
		if (!btree_take((const struct csd_btree_request *)at, given->root))
			break;
		at += sizeof(struct csd_btree_request);
	}
	if ((context->flags & CSD_LAST) && (__u64)(context->end - at) < sizeof(struct csd_btree_request)) {
		csd_state.rest_bytes = context->end - at;
		at = context->end;
	}
	context->consumed = at - context->begin;
	return 0;
}
