/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * csd_worker: a process that runs one program for one host and nothing else. csd_spawner starts it with descriptors for
 * all that it may see (csd_worker.h); it maps them, gives up what it could do besides, and takes requests from its ring.
 *
 * Linked statically, at a fixed address, so that nothing of a library or of another process lies in its memory.
 */
#define _GNU_SOURCE	/* the registers in a ucontext_t */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "csd_bpf.h"
#include "csd_call.h"
#include "csd_now.h"
#include "csd_ring.h"
#include "csd_worker.h"
#include "csd_worker_confine.h"

static struct csd_worker_setup setup;
static struct csd_blob_header header;
static struct csd_ring *const ring = (struct csd_ring *)CSD_LAYOUT_RING;

static void __attribute__((noreturn, format(printf, 1, 2)))
worker_refuse(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	dprintf(STDERR_FILENO, "csd_worker: ");
	vdprintf(STDERR_FILENO, format, arguments);
	dprintf(STDERR_FILENO, "\n");
	va_end(arguments);
	_exit(CSD_WORKER_REFUSED);
}

static void
worker_map(const char *what, uint64_t address, uint64_t length, int protection, int descriptor, uint64_t offset)
{
	void *got = mmap((void *)address, length, protection, MAP_SHARED | MAP_FIXED_NOREPLACE, descriptor, (off_t)offset);

	if (got != (void *)address) {
		worker_refuse("%s: %#lx bytes at %#lx: %s", what, length, address, got == MAP_FAILED ? strerror(errno) : "elsewhere");
	}
}

/* The program itself. Its data begin as the blob says with the first part of each run. */
static void
worker_map_program(void)
{
	worker_map("blob", CSD_BLOB_CODE, setup.blob_bytes, PROT_READ, CSD_WORKER_BLOB, 0);
	if (csd_blob_check((const void *)CSD_BLOB_CODE, setup.blob_bytes, &header) != 0) {
		worker_refuse("what it was given is no program");
	}
	if (mprotect((void *)CSD_BLOB_CODE, header.code_bytes, PROT_READ | PROT_EXEC) != 0) {
		worker_refuse("code: %s", strerror(errno));
	}
	if (header.data_bytes > setup.data_bytes) {
		worker_refuse("the program has %#lx bytes of data, there are %#lx", header.data_bytes, setup.data_bytes);
	}
	if (setup.data_bytes > 0) {
		worker_map("data", CSD_BLOB_DATA, setup.data_bytes, PROT_READ | PROT_WRITE, CSD_WORKER_DATA, 0);
	}
}

static void
worker_set_up(void)
{
	if (read(CSD_WORKER_SETUP, &setup, sizeof(setup)) != sizeof(setup) || setup.memory_count > CSD_LAYOUT_MEMORIES) {
		worker_refuse("started by csd_spawner, with its set-up on descriptor %d", CSD_WORKER_SETUP);
	}
	/* Without its spawner nobody would end it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != setup.spawner) {
		worker_refuse("its spawner is gone");
	}
	worker_map("ring", CSD_LAYOUT_RING, CSD_RING_BYTES, PROT_READ | PROT_WRITE, CSD_WORKER_RING, 0);
	worker_map_program();
	for (uint32_t i = 0; i < setup.memory_count; i++) {
		const struct csd_worker_memory *memory = &setup.memories[i];

		if (memory->length > CSD_LAYOUT_MAX_MEMORY) {
			worker_refuse("memory %u: %#lx bytes", i, memory->length);
		}
		worker_map("memory", CSD_LAYOUT_MEMORY(i), memory->length,
			   memory->writable ? PROT_READ | PROT_WRITE : PROT_READ, CSD_WORKER_MEMORY + (int)i, memory->offset);
	}
}

static void __attribute__((noreturn))
worker_fault(int number, siginfo_t *info, void *context)
{
	const ucontext_t *interrupted = context;

	ring->fault = (struct csd_ring_fault) {
		.signal = (uint32_t)number, .code = (uint32_t)info->si_code,
		.address = info->si_code > 0 ? (uint64_t)info->si_addr : 0,
		.instruction = (uint64_t)interrupted->uc_mcontext.gregs[REG_RIP],
	};
	_exit(CSD_WORKER_FAULT);
}

/* On a stack of its own: the program's may be what is at an end. SIGXCPU is how the spawner asks where it is. */
static void
worker_catch(void)
{
	static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGXCPU};
	static uint8_t alternate[16384] __attribute__((aligned(64)));
	struct sigaction action = {.sa_sigaction = worker_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigfillset(&action.sa_mask);
	if (sigaltstack(&(stack_t) {.ss_sp = alternate, .ss_size = sizeof(alternate)}, NULL) != 0) {
		worker_refuse("sigaltstack: %s", strerror(errno));
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (sigaction(numbers[i], &action, NULL) != 0) {
			worker_refuse("sigaction %d: %s", numbers[i], strerror(errno));
		}
	}
}

/* 0 for a reference that does not lie in what the worker has: then the program faults, and nobody else. */
static uint64_t
worker_address(const struct csd_ring_reference *reference)
{
	const struct csd_worker_memory *memory;

	if (reference->memory >= setup.memory_count) {
		return 0;
	}
	memory = &setup.memories[reference->memory];
	if (reference->offset > memory->length || reference->length > memory->length - reference->offset) {
		return 0;
	}
	return CSD_LAYOUT_MEMORY(reference->memory) + reference->offset;
}

/* Data as the program was compiled with, but what outlives a run: the target has filled that. Its parameters as they were given. */
static void
worker_begin(const struct csd_ring_request *request, const struct csd_call *call)
{
	uint8_t *data = (uint8_t *)CSD_BLOB_DATA;
	uint64_t kept_at = header.kept != 0 ? header.kept - CSD_BLOB_DATA : header.data_bytes, behind = kept_at + header.kept_bytes;

	memcpy(data, (const uint8_t *)CSD_BLOB_CODE + header.code_bytes, header.data_given);
	memset(data + header.data_given, 0, kept_at - header.data_given);
	memset(data + behind, 0, header.data_bytes - behind);
	if (header.parameters != 0) {
		struct csd_parameters *parameters = (struct csd_parameters *)header.parameters;
		uint32_t bytes = call->data_bytes > CSD_DATA_BYTES ? CSD_DATA_BYTES : (uint32_t)call->data_bytes;

		parameters->cparam1 = request->cparam1;
		parameters->cparam2 = request->cparam2;
		parameters->data_bytes = bytes;
		memcpy(parameters->data, (const void *)call->data, bytes);
	}
	if (header.state != 0 && request->state.length <= CSD_BLOB_DATA + header.data_bytes - header.state) {
		memcpy((void *)header.state, (const void *)worker_address(&request->state), request->state.length);
	}
}

/* `answer`: the one before, then this one. */
static void
worker_run(const struct csd_ring_request *request, uint32_t taken, struct csd_ring_answer *answer)
{
	uint64_t done = (request->flags & CSD_RING_CHAINED) == 0 ? 0 : answer->consumed;
	struct csd_call_range ranges[CSD_RING_RANGES];
	struct csd_call call = {
		.input = worker_address(&request->input) + done, .input_bytes = request->input.length - done,
		.input_offset = request->input_offset + done,
		.out = worker_address(&request->output), .out_bytes = request->output.length, .flags = request->flags,
		.data = worker_address(&request->data), .data_bytes = request->data.length,
		.ranges = (uint64_t)ranges, .range_count = request->range_count, .now = csd_now(),
		.trace = (uint64_t)csd_ring_lines(ring, taken), .trace_bytes = CSD_RING_TRACE_BYTES,
	};
	void (*entry)(struct csd_call *) = (void (*)(struct csd_call *))header.entry;

	if ((request->flags & CSD_RING_CHAINED) != 0 && (answer->end != CSD_CALL_FULL || done > request->input.length)) {
		*answer = (struct csd_ring_answer) {.sequence = request->sequence, .end = CSD_RING_SKIPPED};
		return;
	}
	for (uint64_t i = 0; i < request->range_count && i < CSD_RING_RANGES; i++) {
		ranges[i] = (struct csd_call_range) {worker_address(&request->ranges[i]), request->ranges[i].length};
	}
	if ((request->flags & CSD_CALL_FIRST) != 0) {
		worker_begin(request, &call);
	}
	entry(&call);
	*answer = (struct csd_ring_answer) {
		.sequence = request->sequence, .end = (uint32_t)call.end, .consumed = call.consumed, .records = call.records,
		.matches = call.matches, .emitted = call.emitted, .traced = call.traced,
	};
}

int
main(void)
{
	struct csd_confined confined = {0};
	struct csd_ring_answer answer = {0};
	const char *what;
	int rc;

	prctl(PR_SET_NAME, "csd_worker");	/* it was run by a descriptor, which has no name */
	worker_set_up();
	worker_catch();
	rc = csd_worker_confine(&confined, &what);
	if (rc != 0) {
		worker_refuse("%s: %s", what, strerror(-rc));
	}
	for (uint32_t i = 0; i < CSD_LAYERS; i++) {
		ring->layers |= confined.stands[i] ? 1U << i : 0;
	}
	__atomic_store_n(&ring->set_up, 1, __ATOMIC_RELEASE);
	for (uint32_t taken = 0;; taken++) {
		csd_ring_wait(ring, taken, setup.spin_nanoseconds);
		worker_run(csd_ring_next(ring, taken), taken, &answer);
		csd_ring_answer(ring, taken, &answer);
	}
}
