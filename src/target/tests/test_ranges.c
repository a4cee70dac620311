/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Ranges that a program writes to: it has copies, what was written reaches the memory when somebody copies it back, and ranges
 * that are only to be read it cannot write to.
 *
 *	test_ranges FOLDER	csd_worker, csd_spawner, writes.csd
 */
#include <signal.h>

#include "csd_call.h"
#include "csd_copies.h"
#include "lab.h"
#include "test.h"

#define MEMORY_BYTES	(2 << 20)	/* as SLM: the worker reads it, and nobody but its maker writes */
#define COUNTS_AT	8192
#define COUNTS_BYTES	(256 * 8)
#define READ_BYTES	64		/* of the range that is only to be read: at the begin */
#define LEAVE		0		/* cparam1: the copy alone is written to; or the range of this number + 1, too */
#define READ_ONLY	1

struct test {
	struct lab lab;
	struct csd_pool *pool;
	struct csd_memory *blob, *memory;
	struct csd_blob_header header;
	uint8_t before[MEMORY_BYTES];
};

static void
test_open(struct test *test, const char *folder)
{
	struct csd_pool_options options = {
		.window_bytes = LAB_WINDOW_BYTES, .output_bytes = LAB_OUTPUT_BYTES + CSD_COPIES_ROOM, .spares = 1, .memory_count = 1,
	};
	struct csd_pool_memory memory = {.length = MEMORY_BYTES};
	char path[512];
	struct file file;

	lab_open(&test->lab, folder, NULL);
	snprintf(path, sizeof(path), "%s/writes.csd", folder);
	file = read_whole(path);
	CHECK(csd_blob_check(file.bytes, file.length, &test->header) == 0, "%s", path);
	CHECK(csd_memory_create_from("writes", file.bytes, file.length, &test->blob) == 0, "no memory");
	free(file.bytes);
	CHECK(csd_memory_create("slm", MEMORY_BYTES, CSD_MEMORY_READ_ONLY, &test->memory) == 0, "no memory");
	for (uint32_t i = 0; i < MEMORY_BYTES; i++) {
		test->memory->base[i] = i >= COUNTS_AT && i < COUNTS_AT + COUNTS_BYTES ? 0 : (uint8_t)(i * 17);
	}
	memcpy(test->before, test->memory->base, MEMORY_BYTES);
	memory.memory = test->memory;
	options.memories = &memory;
	options.blob = test->blob;
	options.blob_bytes = test->blob->length;
	options.data_bytes = test->header.data_bytes;
	test->pool = csd_pool_create(test->lab.executor, &options);
	CHECK(test->pool != NULL, "no memory");
}

/* One run over a window of `fill`, as the target does it; its copies go back if it was answered. */
static struct csd_ring_fault
test_run(struct test *test, uint8_t fill, uint64_t what, uint64_t where, bool *answered)
{
	struct csd_worker *worker = lab_take(&test->lab, test->pool, 1);
	uint64_t deadline = csd_now() + LAB_TIMEOUT_MS * 1000000ULL;
	uint8_t *room = worker->output->base + LAB_OUTPUT_BYTES;
	struct csd_copies copies = {0};
	struct csd_ring_request request = {
		.flags = CSD_CALL_FIRST | CSD_CALL_LAST, .input = {worker->window_number, 0, LAB_WINDOW_BYTES},
		.output = {worker->output_number, 0, LAB_OUTPUT_BYTES}, .cparam1 = what, .cparam2 = where, .range_count = 2,
		.ranges = {{0, 0, READ_BYTES}, {worker->output_number, LAB_OUTPUT_BYTES, COUNTS_BYTES}},
	};
	struct csd_ring_answer answer;
	struct csd_ring_fault fault;

	CHECK(csd_copies_add(&copies, 1, test->memory->base + COUNTS_AT, COUNTS_BYTES), "no room");
	while (csd_copies_move(&copies, room, false)) {
	}
	memset(worker->window->base, fill, LAB_WINDOW_BYTES);
	CHECK(csd_worker_ask(worker, &request), "not asked");
	while (!(*answered = csd_worker_answer(worker, LAB_WINDOW_BYTES, &answer)) && worker->state != CSD_WORKER_GONE) {
		lab_wait(&test->lab, deadline, "a command ends");
	}
	CHECK(memcmp(test->memory->base, test->before, MEMORY_BYTES) == 0, "the memory itself was written to");
	while (*answered && csd_copies_move(&copies, room, true)) {
	}
	memcpy(test->before, test->memory->base, MEMORY_BYTES);
	fault = worker->fault;
	csd_worker_release(worker);
	return fault;
}

static void
test_counts(const struct test *test, uint64_t sevens, uint64_t nines)
{
	const uint64_t *counts = (const uint64_t *)(test->memory->base + COUNTS_AT);

	for (uint32_t i = 0; i < 256; i++) {
		CHECK_EQUAL(counts[i], i == 7 ? sevens : i == 9 ? nines : 0);
	}
}

static void
test_faults(struct test *test, uint64_t number, uint64_t where, uint64_t address)
{
	struct csd_ring_fault fault;
	bool answered;

	fault = test_run(test, 7, number, where, &answered);
	CHECK(!answered, "a write to range %lu, byte %lu did no harm", number - 1, where);
	CHECK_EQUAL(fault.signal, SIGSEGV);
	CHECK_EQUAL(fault.address, address);
	/* It had counted before. */
	test_counts(test, LAB_WINDOW_BYTES, LAB_WINDOW_BYTES);
}

int
main(int argc, char **argv)
{
	static struct test test;
	uint64_t behind;
	bool answered;

	CHECK(argc == 2, "usage: test_ranges FOLDER");
	test_open(&test, argv[1]);
	test_run(&test, 7, LEAVE, 0, &answered);
	CHECK(answered, "it ended");
	test_counts(&test, LAB_WINDOW_BYTES, 0);
	/* What is there already is counted on. */
	test_run(&test, 9, LEAVE, 0, &answered);
	CHECK(answered, "it ended");
	test_counts(&test, LAB_WINDOW_BYTES, LAB_WINDOW_BYTES);
	/* The first and the last byte of the range, and its memory's last: copies of it would be writable. */
	test_faults(&test, READ_ONLY, 0, CSD_LAYOUT_MEMORY(0));
	test_faults(&test, READ_ONLY, READ_BYTES - 1, CSD_LAYOUT_MEMORY(0) + READ_BYTES - 1);
	test_faults(&test, READ_ONLY, MEMORY_BYTES - 1, CSD_LAYOUT_MEMORY(0) + MEMORY_BYTES - 1);
	/* Where the range itself lies is no copy of it, either; nor is there anything behind all copies. */
	test_faults(&test, READ_ONLY, COUNTS_AT, CSD_LAYOUT_MEMORY(0) + COUNTS_AT);
	behind = (LAB_OUTPUT_BYTES + CSD_COPIES_ROOM + 4095) / 4096 * 4096;
	test_faults(&test, READ_ONLY + 1, behind - LAB_OUTPUT_BYTES, CSD_LAYOUT_MEMORY(2) + behind);
	lab_pool_close(&test.lab, test.pool);
	lab_close(&test.lab);
	csd_memory_put(test.memory);
	csd_memory_put(test.blob);
	printf("test_ranges: 2 runs written back, 5 faults that changed nothing, passed\n");
	return 0;
}
