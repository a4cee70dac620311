/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * A fault is told by its address, its instruction and its line of C: each access of faults.bpf.c is made one.
 *
 *	test_faults FOLDER FAULTS.bpf.o	FOLDER/csd_worker, FOLDER/csd_spawner, FOLDER/faults.csd
 */
#include <signal.h>

#include "csd_call.h"
#include "csd_source.h"
#include "lab.h"
#include "test.h"

#define ACCESSES	31
#define MISALIGNED	30	/* an atomic: there the address is wrong, not the memory */
/* gcc merges some accesses into what they are for, and gives the one instruction the line of the other. */
#define NEAR		3
#define EXACT		25

struct faults {
	struct lab lab;
	struct csd_pool *pool;
	struct csd_memory *blob;
	struct csd_blob_header header;
	struct file object_file;
	struct csd_object object;
};

static void
faults_open(struct faults *faults, const char *folder, const char *object)
{
	struct csd_pool_options options = {.window_bytes = LAB_WINDOW_BYTES, .output_bytes = LAB_OUTPUT_BYTES, .spares = 1};
	char path[512], reason[CSD_REASON_BYTES] = "";
	struct file file;

	lab_open(&faults->lab, folder, NULL);
	faults->object_file = read_whole(object);
	CHECK(csd_object_read(faults->object_file.bytes, faults->object_file.length, &faults->object, reason) == 0, "%s", reason);
	snprintf(path, sizeof(path), "%s/faults.csd", folder);
	file = read_whole(path);
	CHECK(csd_blob_check(file.bytes, file.length, &faults->header) == 0, "%s", path);
	CHECK(csd_memory_create_from("faults", file.bytes, file.length, &faults->blob) == 0, "no memory");
	free(file.bytes);
	options.blob = faults->blob;
	options.blob_bytes = faults->blob->length;
	options.data_bytes = faults->header.data_bytes;
	faults->pool = csd_pool_create(faults->lab.executor, &options);
	CHECK(faults->pool != NULL, "no memory");
}

/* One run in which the access of this number goes to `address`; the others, to the output. */
static struct csd_ring_fault
faults_run(struct faults *faults, uint32_t number, uint64_t address, bool *answered)
{
	struct csd_worker *worker = lab_take(&faults->lab, faults->pool, 1);
	uint64_t addresses[ACCESSES], deadline = csd_now() + LAB_TIMEOUT_MS * 1000000ULL;
	struct csd_ring_request request = {
		.flags = CSD_CALL_FIRST | CSD_CALL_LAST, .input = {worker->window_number, 4096, 4096},
		.output = {worker->output_number, 0, LAB_OUTPUT_BYTES}, .data = {worker->window_number, 0, sizeof(addresses)},
	};
	struct csd_ring_answer answer;
	struct csd_ring_fault fault;

	for (uint32_t i = 0; i < ACCESSES; i++) {
		addresses[i] = i == number ? address : CSD_LAYOUT_MEMORY(worker->output_number) + 64;
	}
	memcpy(worker->window->base, addresses, sizeof(addresses));
	CHECK(csd_worker_ask(worker, &request), "not asked");
	while (!(*answered = csd_worker_answer(worker, LAB_WINDOW_BYTES, &answer)) && worker->state != CSD_WORKER_GONE) {
		lab_wait(&faults->lab, deadline, "a command ends");
	}
	CHECK(*answered || worker->end == CSD_WORKER_END_FAULT, "ended %d", worker->end);
	fault = worker->fault;
	csd_worker_release(worker);
	return fault;
}

/* Of the access that a line has: the number at its end. */
static uint32_t
faults_number(const char *text)
{
	const char *at = text + strlen(text);

	while (at > text && (at[-1] == ')' || at[-1] == ';' || (at[-1] >= '0' && at[-1] <= '9'))) {
		at--;
	}
	return (uint32_t)atoi(at);
}

/* Whether it is told by its own line, not by a neighbour's. */
static bool
faults_check(struct faults *faults, uint32_t number)
{
	uint64_t address = number == MISALIGNED ? CSD_LAYOUT_MEMORY(1) + 3 : 0x123450000 + number * 8ULL;
	struct csd_source source;
	struct csd_ring_fault fault;
	int64_t instruction;
	uint32_t told;
	bool answered;

	fault = faults_run(faults, number, address, &answered);
	CHECK(!answered, "access %u to %#lx did no harm", number, address);
	CHECK_EQUAL(fault.signal, number == MISALIGNED ? SIGILL : SIGSEGV);
	CHECK(number == MISALIGNED || fault.address == address, "%#lx, not %#lx", fault.address, address);
	instruction = csd_blob_instruction(faults->blob->base, &faults->header, fault.instruction);
	CHECK(instruction >= 0 && instruction < faults->object.count, "no instruction at %#lx", fault.instruction);
	CHECK(csd_source_find(faults->object_file.bytes, faults->object_file.length, &faults->object, (uint32_t)instruction, &source),
	      "no line of instruction %ld", instruction);
	told = faults_number(source.text);
	CHECK(told <= number + NEAR && number <= told + NEAR, "access %u: instruction %ld, line %u: %s", number, instruction, source.line,
	      source.text);
	return told == number;
}

int
main(int argc, char **argv)
{
	static struct faults faults;
	uint32_t exact = 0;
	bool answered;

	CHECK(argc == 3, "usage: test_faults FOLDER FAULTS.bpf.o");
	faults_open(&faults, argv[1], argv[2]);
	faults_run(&faults, ACCESSES, 0, &answered);
	CHECK(answered, "without a fault, there is one");
	for (uint32_t number = 0; number < ACCESSES; number++) {
		exact += faults_check(&faults, number);
	}
	CHECK(exact >= EXACT, "only %u of %d are told by their own line", exact, ACCESSES);
	lab_pool_close(&faults.lab, faults.pool);
	lab_close(&faults.lab);
	csd_memory_put(faults.blob);
	csd_object_free(&faults.object);
	free(faults.object_file.bytes);
	printf("test_faults: %d faults, %u told by their own line, the others by a neighbour's, passed\n", ACCESSES, exact);
	return 0;
}
