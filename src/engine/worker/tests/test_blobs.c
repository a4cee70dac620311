/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * From clang's object to a worker's answer: the shipped record programs, and those that users wrote first, compiled by
 * csd_compile, run in a worker over an input in parts (parts.h), beside the same source compiled natively.
 *
 *	test_blobs FOLDER NATIVE-FOLDER NAME...	FOLDER/csd_worker, FOLDER/csd_spawner, FOLDER/NAME.csd, NATIVE-FOLDER/NAME.so
 */
#include <dlfcn.h>
#include <unistd.h>

#include "chance.h"
#include "lab.h"
#include "parts.h"
#include "test.h"

#define WINDOW_BYTES	(1 << 20)
#define OUTPUT_BYTES	(4 << 20)
#define INPUT_BYTES	300000

/* The worker through which the calls of parts.h go. */
static struct {
	struct lab *lab;
	struct csd_worker *worker;
	struct csd_blob_header header;
	struct csd_parameters parameters;
	uint8_t state[CSD_MAX_STATE_BYTES];
	uint32_t state_bytes;
	uint64_t calls;
} blobs;

static struct csd_ring_answer
blobs_wait(void)
{
	uint64_t deadline = csd_now() + LAB_TIMEOUT_MS * 1000000ULL;
	struct csd_ring_answer answer;

	while (!csd_worker_answer(blobs.worker, UINT64_MAX, &answer)) {
		CHECK(blobs.worker->state == CSD_WORKER_BUSY, "ended %d, signal %u", blobs.worker->end, blobs.worker->fault.signal);
		CHECK(csd_now() < deadline, "no answer within %d ms", LAB_TIMEOUT_MS);
		lab_poll(blobs.lab);
	}
	return answer;
}

/*
 * The test's memory stands for the worker's. Without record_bytes the parameters are as parts_begin() has written them:
 * the first part of a run.
 */
static void
blobs_call(struct csd_call *call)
{
	bool first = blobs.parameters.record_bytes == 0;
	struct csd_ring_request request = {
		.flags = (uint32_t)(call->flags & CSD_CALL_LAST) | (first ? CSD_CALL_FIRST : 0), .input_offset = call->input_offset,
		.input = {blobs.worker->window_number, 0, call->input_bytes},
		.output = {blobs.worker->output_number, 0, call->out_bytes},
		.cparam1 = blobs.parameters.cparam1, .cparam2 = blobs.parameters.cparam2,
	};
	struct csd_ring_answer answer;

	CHECK(call->input_bytes <= WINDOW_BYTES - CSD_DATA_BYTES && call->out_bytes <= OUTPUT_BYTES, "%lu, %lu", call->input_bytes,
	      call->out_bytes);
	memcpy(blobs.worker->window->base, (const void *)call->input, call->input_bytes);
	if (first) {
		request.data = (struct csd_ring_reference) {
			blobs.worker->window_number, WINDOW_BYTES - CSD_DATA_BYTES, blobs.parameters.data_bytes,
		};
		memcpy(blobs.worker->window->base + request.data.offset, blobs.parameters.data, CSD_DATA_BYTES);
	}
	CHECK(csd_worker_ask(blobs.worker, &request), "not asked");
	answer = blobs_wait();
	memcpy((void *)call->out, blobs.worker->output->base, answer.emitted);
	if (blobs.state_bytes > 0) {
		memcpy(blobs.state, blobs.worker->data->base + (blobs.header.state - CSD_BLOB_DATA), blobs.state_bytes);
	}
	memcpy(&blobs.parameters, blobs.worker->data->base + (blobs.header.parameters - CSD_BLOB_DATA), sizeof(blobs.parameters));
	blobs.calls++;
	call->consumed = answer.consumed;
	call->records = answer.records;
	call->matches = answer.matches;
	call->emitted = answer.emitted;
	call->end = answer.end;
}

static struct csd_pool *
blobs_open(const char *folder, const char *name)
{
	struct csd_pool_options options = {.window_bytes = WINDOW_BYTES, .output_bytes = OUTPUT_BYTES, .spares = 1};
	struct csd_pool *pool;
	char path[512];
	struct file file;

	snprintf(path, sizeof(path), "%s/%s.csd", folder, name);
	file = read_whole(path);
	CHECK(csd_blob_check(file.bytes, file.length, &blobs.header) == 0, "%s", path);
	CHECK(csd_memory_create_from(name, file.bytes, file.length, &options.blob) == 0, "no memory");
	free(file.bytes);
	options.blob_bytes = options.blob->length;
	options.data_bytes = blobs.header.data_bytes;
	pool = csd_pool_create(blobs.lab->executor, &options);
	CHECK(pool != NULL, "no memory");
	csd_memory_put(options.blob);
	blobs.worker = lab_take(blobs.lab, pool, 1);
	return pool;
}

/* Parameters with which a program keeps some and drops some. */
static const struct {
	const char *name;
	struct csd_parameters parameters;
} blobs_parameters[] = {
	{"over_limit", {.cparam1 = 1073741823}}, {"one_of", {.data_bytes = 12, .data = {3, 0, 0, 0, 17, 0, 0, 0, 231, 3}}},
	{"closest", {.cparam1 = 1000}}, {"threshold", {.cparam1 = 5}}, {"search", {.data_bytes = 1, .data = {7}}},
	{"histogram", {.cparam1 = 28ULL << 32 | 0x80000000}}, {"sample", {.cparam1 = 3}},
};

static void
blobs_check(const char *folder, const char *native_folder, const char *name, const uint8_t *input)
{
	static const struct csd_parameters none;
	struct csd_pool *pool = blobs_open(folder, name);
	void *native = parts_open("%s/%s.so", native_folder, name);
	struct parts parts = {
		.name = name, .translated = {.call = blobs_call, .parameters = &blobs.parameters, .state = blobs.state},
		.parameters = &none, .input = input, .bytes = INPUT_BYTES,
	};

	parts_set_native(&parts, native, name);
	parts.geometry = parts_symbol(native, "csd_program_geometry");
	parts.state_bytes = blobs.state_bytes = parts.geometry->state_bytes;
	for (size_t i = 0; i < sizeof(blobs_parameters) / sizeof(blobs_parameters[0]); i++) {
		if (strcmp(blobs_parameters[i].name, name) == 0) {
			parts.parameters = &blobs_parameters[i].parameters;
		}
	}
	for (uint64_t seed = 0; seed < 2; seed++) {
		parts_compare(&parts, seed);
	}
	csd_worker_release(blobs.worker);
	lab_pool_close(blobs.lab, pool);
	dlclose(native);
}

int
main(int argc, char **argv)
{
	static uint8_t input[INPUT_BYTES];
	struct lab lab;

	CHECK(argc > 3, "usage: test_blobs FOLDER NATIVE-FOLDER NAME...");
	chance_begin(1, 3);
	for (size_t i = 0; i < sizeof(input); i++) {
		input[i] = chance() >> 8;
	}
	lab_open(&lab, argv[1], NULL);
	blobs.lab = &lab;
	for (int i = 3; i < argc; i++) {
		blobs_check(argv[1], argv[2], argv[i], input);
	}
	lab_close(&lab);
	printf("test_blobs: %d programs, %lu parts passed\n", argc - 3, blobs.calls);
	return 0;
}
