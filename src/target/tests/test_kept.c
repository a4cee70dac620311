/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Maps that outlive a run: they are what the target copied into a worker's memory, whichever worker that is, and what a run
 * left of them is there to be copied back; all other data begin anew. And blobs that say something impossible of them.
 *
 *	test_kept FOLDER	csd_worker, csd_spawner, keeps.csd
 */
#include <errno.h>
#include <signal.h>

#include "csd_call.h"
#include "csd_copies.h"
#include "lab.h"
#include "test.h"

struct keeps {
	uint64_t runs, here, found, begun;
};

struct test {
	struct lab lab;
	struct csd_pool *pool;
	struct csd_memory *blob;
	struct csd_blob_header header;
};

static void
test_open(struct test *test, const char *folder, struct file *file)
{
	struct csd_pool_options options = {.window_bytes = LAB_WINDOW_BYTES, .output_bytes = LAB_OUTPUT_BYTES, .spares = 1};
	char path[512];

	lab_open(&test->lab, folder, NULL);
	snprintf(path, sizeof(path), "%s/keeps.csd", folder);
	*file = read_whole(path);
	CHECK(csd_blob_check(file->bytes, file->length, &test->header) == 0, "%s", path);
	/* An array of one value, a hash of 256 buckets and entries. */
	CHECK_EQUAL(test->header.kept_bytes, 8 + 8 + 256 * 4 + 256 * (8 + 8 + 8));
	CHECK(test->header.data_given > 0, "the program has data that are given");
	CHECK(csd_memory_create_from("keeps", file->bytes, file->length, &test->blob) == 0, "no memory");
	options.blob = test->blob;
	options.blob_bytes = test->blob->length;
	options.data_bytes = test->header.data_bytes;
	test->pool = csd_pool_create(test->lab.executor, &options);
	CHECK(test->pool != NULL, "no memory");
}

/* One run for a host over a window of `fill`, as the target does it. False: it faulted. */
static bool
test_run(struct test *test, uint64_t owner, uint8_t fill, uint64_t faults, uint8_t *kept, struct keeps *state)
{
	struct csd_worker *worker = lab_take(&test->lab, test->pool, owner);
	uint64_t deadline = csd_now() + LAB_TIMEOUT_MS * 1000000ULL;
	uint8_t *room = worker->data->base + (test->header.kept - CSD_BLOB_DATA);
	struct csd_copies copies = {0};
	struct csd_ring_request request = {
		.flags = CSD_CALL_FIRST | CSD_CALL_LAST, .input = {worker->window_number, 0, LAB_WINDOW_BYTES},
		.output = {worker->output_number, 0, LAB_OUTPUT_BYTES}, .cparam1 = faults,
	};
	struct csd_ring_answer answer;
	bool answered;

	CHECK(csd_copies_add(&copies, 0, kept, test->header.kept_bytes), "no room");
	while (csd_copies_move(&copies, room, false)) {
	}
	memset(worker->window->base, fill, LAB_WINDOW_BYTES);
	CHECK(csd_worker_ask(worker, &request), "not asked");
	while (!(answered = csd_worker_answer(worker, LAB_WINDOW_BYTES, &answer)) && worker->state != CSD_WORKER_GONE) {
		lab_wait(&test->lab, deadline, "a command ends");
	}
	while (answered && csd_copies_move(&copies, room, true)) {
	}
	memcpy(state, worker->data->base + (test->header.state - CSD_BLOB_DATA), sizeof(*state));
	csd_worker_release(worker);
	return answered;
}

static void
test_counts(struct test *test, uint64_t owner, uint8_t fill, uint8_t *kept, uint64_t runs, uint64_t found)
{
	struct keeps state;

	CHECK(test_run(test, owner, fill, 0, kept, &state), "it ended");
	CHECK_EQUAL(state.runs, runs);
	CHECK_EQUAL(state.found, found * LAB_WINDOW_BYTES);
	CHECK_EQUAL(state.here, 1);
	CHECK_EQUAL(state.begun, 7);
}

static void
test_runs(struct test *test)
{
	uint8_t *kept = calloc(2, test->header.kept_bytes), *other = kept + test->header.kept_bytes;
	struct keeps state;

	test_counts(test, 1, 7, kept, 1, 1);
	test_counts(test, 1, 7, kept, 2, 2);
	/* Another host's worker, and the first one's again, which has not seen that run. */
	test_counts(test, 2, 7, kept, 3, 3);
	test_counts(test, 1, 9, kept, 4, 1);
	/* A fault, behind its counts. */
	CHECK(!test_run(test, 1, 7, 1, kept, &state), "a read where nothing is did no harm");
	test_counts(test, 1, 7, kept, 5, 4);
	/* Of another slot, in the same worker. */
	test_counts(test, 1, 7, other, 1, 1);
	test_counts(test, 1, 7, kept, 6, 5);
	free(kept);
}

static void
test_blob(struct file *file, const struct csd_blob_header *changed, int expected)
{
	struct csd_blob_header found;

	memcpy(file->bytes, changed, sizeof(*changed));
	CHECK(csd_blob_check(file->bytes, file->length, &found) == expected, "kept: %#lx, %#lx of %#lx bytes of data", changed->kept,
	      changed->kept_bytes, changed->data_bytes);
}

static void
test_blobs(struct file *file, const struct csd_blob_header *header)
{
	const uint64_t end = CSD_BLOB_DATA + header->data_bytes;
	struct csd_blob_header large = *header, old = *header;
	const struct {
		uint64_t kept, kept_bytes;
		int expected;
	} blobs[] = {
		{0, 0, 0},
		{0, 8, -EINVAL},
		{CSD_BLOB_DATA + header->data_given, 8, 0},
		{CSD_BLOB_DATA + header->data_given - 1, 8, -EINVAL},
		{CSD_BLOB_CODE, 8, -EINVAL},
		{end - 8, 8, 0},
		{end - 8, 9, -EINVAL},
		{end, 0, 0},
		{end + 1, 0, -EINVAL},
		{header->kept, UINT64_MAX - header->kept + 2, -EINVAL},
		{UINT64_MAX, 2, -EINVAL},
	};

	for (size_t i = 0; i < sizeof(blobs) / sizeof(blobs[0]); i++) {
		struct csd_blob_header changed = *header;

		changed.kept = blobs[i].kept;
		changed.kept_bytes = blobs[i].kept_bytes;
		test_blob(file, &changed, blobs[i].expected);
	}
	large.data_bytes = 4 << 20;
	large.kept_bytes = CSD_MAX_KEPT_BYTES;
	test_blob(file, &large, 0);
	large.kept_bytes++;
	test_blob(file, &large, -EINVAL);
	/* Of a drive that knew nothing of it. */
	memcpy(old.magic, "CSDBLOB1", sizeof(old.magic));
	test_blob(file, &old, -EINVAL);
}

int
main(int argc, char **argv)
{
	static struct test test;
	struct file file;

	CHECK(argc == 2, "usage: test_kept FOLDER");
	test_open(&test, argv[1], &file);
	test_runs(&test);
	test_blobs(&file, &test.header);
	lab_pool_close(&test.lab, test.pool);
	lab_close(&test.lab);
	csd_memory_put(test.blob);
	free(file.bytes);
	printf("test_kept: 8 runs of two hosts, a fault among them, and 14 blobs, passed\n");
	return 0;
}
