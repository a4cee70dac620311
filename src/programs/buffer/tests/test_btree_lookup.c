/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "chance.h"
#include "reference.h"
#include "sample_btree.h"
#include "samples.h"
#include "test.h"

#define REQUESTS	500
#define RANGE		(512 * 1024)

static const struct program program = {
	.name = "btree_lookup", .reference = reference_btree_lookup, .state_bytes = sizeof(struct csd_btree_state),
	.most_part = sizeof(struct csd_btree_request), .item_bytes = sizeof(struct csd_btree_entry),
};

static struct csd_btree_request requests[REQUESTS];

/* Some keys that are there, some beside, some ranges; before the first, behind the last. */
static void
fill_requests(uint64_t entries)
{
	chance_begin(run_seed(), entries);
	for (uint32_t i = 0; i < REQUESTS; i++) {
		uint64_t span = entries * SAMPLE_BTREE_STEP + 50, key = SAMPLE_BTREE_FIRST - 25 + below(span);

		if (below(2) == 0) {
			key -= key % SAMPLE_BTREE_STEP;
		}
		requests[i].first = below(20) == 0 ? 0 : key;
		requests[i].last = below(20) == 0 ? ~0ULL : requests[i].first + (below(2) ? 0 : below(600));
		if (below(20) == 0) {
			requests[i].last = requests[i].first - 1;
		}
	}
}

static struct csd_btree_state
check(const struct program *how, const struct csd_btree *tree, const uint8_t *range, uint64_t range_bytes, uint32_t cuts,
	const char *what)
{
	struct job job = {
		.data = tree, .data_bytes = sizeof(*tree), .input = (const uint8_t *)requests, .bytes = sizeof(requests) - 5, .range = range,
		.range_bytes = range_bytes,
	};
	struct csd_btree_state state;
	struct result result;

	run_check(how, &job, cuts, what, &result);
	memcpy(&state, result.state, sizeof(state));
	free(result.out);
	return state;
}

static void
check_good(uint8_t *range)
{
	static const struct {
		uint32_t page_bytes;
		uint64_t entries;
	} trees[] = {{32, 1}, {48, 2}, {48, 100}, {64, 1000}, {512, 1}, {512, 31}, {512, 32}, {512, 5000}, {4096, 20000}, {65536, 9000}};

	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		struct csd_btree tree = {.page_bytes = trees[i].page_bytes};

		for (int sparse = 0; sparse < 2; sparse++) {
			struct csd_btree_state state;

			if (sparse && trees[i].page_bytes > 4096) {
				continue;
			}
			tree.root = sample_btree(range, RANGE, trees[i].page_bytes, trees[i].entries, sparse && trees[i].entries < 2000);
			fill_requests(trees[i].entries);
			state = check(&program, &tree, range, RANGE, 2, "good tree");
			CHECK(state.corrupt == 0 && state.found > 100 / (trees[i].entries < 3 ? 10 : 1), "%llu corrupt, %llu found", state.corrupt,
			      state.found);
		}
	}
}

/* One thing wrong at a time. */
static void
check_corrupt(uint8_t *range)
{
	struct csd_btree tree = {.page_bytes = 512};
	struct csd_btree_page *root, *page;
	struct csd_btree_state state;
	uint64_t bad[] = {1, 8, 512 + 16, RANGE, RANGE - 511, RANGE - 496, ~0ULL, ~0ULL - 511, 1ULL << 63, 0xfffffffffffffe00ULL};

	fill_requests(5000);
	tree.root = sample_btree(range, RANGE, 512, 5000, false);
	root = (struct csd_btree_page *)(range + tree.root);
	CHECK(root->level == 2, "a tree of %u levels", root->level);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]) + 2; i++) {
		uint64_t was = root->entries[2].value, to = i < 10 ? bad[i] : i == 10 ? tree.root : root->entries[1].value;

		root->entries[2].value = to;
		CHECK(check(&program, &tree, range, RANGE, 2, "child").corrupt > 0, "child at %#lx", to);
		root->entries[2].value = was;
	}
	page = (struct csd_btree_page *)(range + root->entries[3].value);
	page = (struct csd_btree_page *)(range + page->entries[5].value);
	for (uint32_t i = 0; i < 6; i++) {
		struct csd_btree_page was = *page;

		page->magic ^= i == 0;
		page->level += i == 1 ? 1 : 0;
		page->count = i == 2 ? 0 : i == 3 ? 32 : i == 4 ? 65535 : page->count;
		page->level = i == 5 ? 65535 : page->level;
		CHECK(check(&program, &tree, range, RANGE, 2, "leaf's head").corrupt > 0, "head %u", i);
		*page = was;
	}
	/* A leaf that is there twice, one behind the other: its keys do not rise. */
	page = (struct csd_btree_page *)(range + root->entries[3].value);
	page->entries[6].value = page->entries[5].value;
	CHECK(check(&program, &tree, range, RANGE, 3, "leaf twice").corrupt > 0, "a leaf twice");
	tree.root += 16;
	state = check(&program, &tree, range, RANGE, 1, "root");
	CHECK_EQUAL(state.found, 0);
	CHECK_EQUAL(state.corrupt + state.missing, REQUESTS - 1);
	tree.root = ~0ULL;
	check(&program, &tree, range, RANGE, 1, "root beyond");
	tree.root = 0;
	check(&program, &tree, range, 511, 1, "no room for a page");
	check(&program, &tree, range, 0, 1, "empty range");
	check(&program, &tree, NULL, 0, 1, "no range");
}

/* Bytes that fell over anywhere, keys included: whatever comes out, it ends, and stays within the range. */
static void
check_chaos(uint8_t *range)
{
	struct program any = program;

	any.reference = NULL;
	for (uint32_t i = 0; i < 20; i++) {
		struct csd_btree tree = {.page_bytes = 64 << i % 4};
		uint64_t root = sample_btree(range, RANGE, tree.page_bytes, 3000, false);

		fill_requests(3000);
		chance_begin(run_seed() * 100 + i, 9);
		for (uint32_t flips = 0; flips < 2000 * (i / 4); flips++) {
			uint64_t at = below(RANGE / 8) * 8, word;

			/* Words that lead somewhere, mostly. */
			word = below(4) == 0 ? chance() : below(2) ? below(RANGE / tree.page_bytes) * tree.page_bytes : 1000 + below(30000);
			if (at % tree.page_bytes >= 16 || below(10) == 0) {
				memcpy(range + at, &word, 8);
			}
		}
		tree.root = root;
		check(&any, &tree, range, RANGE, 2, "chaos");
	}
}

int
main(int argc, char **argv)
{
	static uint8_t range[RANGE] __attribute__((aligned(64)));
	static const struct csd_btree wrong[] = {{0, 0, 0}, {0, 16, 0}, {0, 40, 0}, {0, 65552, 0}, {0, 64, 1}};
	struct job job = {.input = (const uint8_t *)requests, .bytes = 64, .range = range, .range_bytes = RANGE};

	run_begin(argc, argv);
	check_good(range);
	check_corrupt(range);
	check_chaos(range);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		job.data = &wrong[i];
		job.data_bytes = sizeof(wrong[i]);
		run_check(&program, &job, 1, "wrong data", NULL);
		job.data_bytes--;
		run_check(&program, &job, 1, "short data", NULL);
	}
	return run_end(program.name);
}
