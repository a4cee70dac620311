/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Blobs where a worker has them: each does what the shared object of the same program does, record by record or buffer by
 * buffer; and a fault is found again as the instruction that it is.
 *
 *	test_blob FOLDER LIBRARIES NAME...	FOLDER/NAME.csd, LIBRARIES/NAME.so and .bpf.o
 *
 * Not under AddressSanitizer, which has its own memory at these addresses.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "chance.h"
#include "csd_blob.h"
#include "csd_bpf.h"
#include "csd_call.h"
#include "csd_object.h"
#include "test.h"

#define INPUT_BYTES	(1 << 16)
#define SPARE_BYTES	CSD_MAX_RECORD_BYTES	/* behind the last record, for what is ahead of it */
#define ROUNDS		400

struct mapped {
	struct csd_blob_header header;
	struct file file;
	void (*entry)(struct csd_call *call);
};

static struct mapped
blob_map(const char *path)
{
	struct mapped mapped = {.file = read_whole(path)};
	struct csd_blob_header *header = &mapped.header;
	int file = open(path, O_RDONLY | O_CLOEXEC);
	void *code;

	CHECK(file >= 0 && csd_blob_check(mapped.file.bytes, mapped.file.length, header) == 0, "%s: no blob", path);
	code = mmap((void *)CSD_BLOB_CODE, header->code_bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE, file, 0);
	CHECK(code == (void *)CSD_BLOB_CODE, "%s", path);
	if (header->data_bytes > 0) {
		void *data = mmap((void *)CSD_BLOB_DATA, header->data_bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		CHECK(data == (void *)CSD_BLOB_DATA, "%s", path);
		CHECK(pread(file, data, header->data_given, header->code_bytes) == (ssize_t)header->data_given, "%s", path);
	}
	close(file);
	mapped.entry = (void (*)(struct csd_call *))header->entry;
	return mapped;
}

static void
blob_unmap(struct mapped *mapped)
{
	munmap((void *)CSD_BLOB_CODE, mapped->header.code_bytes);
	if (mapped->header.data_bytes > 0) {
		munmap((void *)CSD_BLOB_DATA, mapped->header.data_bytes);
	}
	free(mapped->file.bytes);
}

/* Sorted, inside the code, and of instructions that there are. */
static void
check_lines(const char *name, const struct mapped *mapped, uint32_t instructions)
{
	const struct csd_blob_line *lines = (const void *)(mapped->file.bytes + mapped->header.lines_at);
	uint64_t known = 0;

	for (uint64_t i = 0; i < mapped->header.line_count; i++) {
		CHECK(lines[i].address < mapped->header.code_bytes, "%s: line %lu", name, i);
		CHECK(i == 0 || lines[i].address > lines[i - 1].address, "%s: line %lu is not behind the one before it", name, i);
		CHECK(lines[i].instruction < instructions || lines[i].instruction == CSD_BLOB_NO_INSTRUCTION,
		      "%s: line %lu is of instruction %u, of %u", name, i, lines[i].instruction, instructions);
		known += lines[i].instruction != CSD_BLOB_NO_INSTRUCTION;
	}
	CHECK(known > 0, "%s: no line is of an instruction", name);
	CHECK_EQUAL(csd_blob_instruction(mapped->file.bytes, &mapped->header, CSD_BLOB_CODE), -1);
	CHECK_EQUAL(csd_blob_instruction(mapped->file.bytes, &mapped->header, CSD_BLOB_CODE + mapped->header.code_bytes), -1);
}

/* What a shared object has instead of a blob's header. */
struct library {
	void *handle;
	void (*entry)(struct csd_call *call);
	uint64_t (*program)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
	struct csd_parameters *parameters;
	void *state;
};

static struct library
library_open(const char *path)
{
	struct library library = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};

	CHECK(library.handle != NULL, "%s", dlerror());
	library.entry = (void (*)(struct csd_call *))dlsym(library.handle, "csd_0_call");
	library.program = (uint64_t (*)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t))dlsym(library.handle, "csd_0_program");
	library.parameters = dlsym(library.handle, "csd_0_parameters");
	library.state = dlsym(library.handle, "csd_0_state");
	CHECK(library.entry != NULL || library.program != NULL, "%s: no way in", path);
	return library;
}

static void
library_run(const struct library *library, struct csd_call *call)
{
	if (library->entry != NULL) {
		library->entry(call);
	} else {
		/* Without an entry of the translator's: as stub_entry.c has it. */
		call->matches = library->program(call->input, call->input_bytes, call->out, 0, 0);
	}
}

static void
begin(const struct csd_object *object, const struct mapped *mapped, const struct library *library)
{
	struct csd_parameters parameters = {.cparam1 = chance_number(), .data_bytes = below(40)};

	/* Of a buffer's program it may be what it consumes. */
	parameters.cparam2 = strcmp(object->kind, "csd/record") == 0 ? chance_number() : 0;
	parameters.record_bytes = object->geometry.record_bytes;
	for (uint32_t i = 0; i < parameters.data_bytes; i++) {
		parameters.data[i] = chance();
	}
	CHECK((mapped->header.parameters != 0) == (library->parameters != NULL), "parameters in one of both");
	CHECK((mapped->header.state != 0) == (library->state != NULL), "state in one of both");
	if (library->parameters != NULL) {
		*library->parameters = *(struct csd_parameters *)mapped->header.parameters = parameters;
	}
}

static void
compare(const char *folder, const char *libraries, const char *name)
{
	static uint8_t input[INPUT_BYTES + SPARE_BYTES], out[2][INPUT_BYTES * 2], range_bytes[2][INPUT_BYTES];
	static const struct csd_call_range ranges[2] = {
		{(uint64_t)range_bytes[0], sizeof(range_bytes[0])}, {(uint64_t)range_bytes[1], sizeof(range_bytes[1])},
	};
	static struct csd_object object;
	char path[512], reason[CSD_REASON_BYTES];
	struct library library;
	struct mapped mapped;
	uint64_t state_bytes;
	struct file file;
	bool records;

	snprintf(path, sizeof(path), "%s/%s.bpf.o", libraries, name);
	file = read_whole(path);
	CHECK(csd_object_read(file.bytes, file.length, &object, reason) == 0, "%s: %s", path, reason);
	records = strcmp(object.kind, "csd/record") == 0;
	state_bytes = object.areas[CSD_AREA_STATE].length;
	snprintf(path, sizeof(path), "%s/%s.so", libraries, name);
	library = library_open(path);
	snprintf(path, sizeof(path), "%s/%s.csd", folder, name);
	mapped = blob_map(path);
	check_lines(name, &mapped, object.count);
	chance_begin(2, 0);
	for (uint32_t i = 0; i < sizeof(input); i++) {
		/* Digits and ends of lines, so that programs over text find some. */
		input[i] = i & 4096 ? (uint8_t)"0123456789,,\n\n{\""[below(16)] : chance();
	}
	begin(&object, &mapped, &library);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint64_t bytes = records ? object.geometry.record_bytes : below(INPUT_BYTES / 64) * 64;
		struct csd_call given = {
			.input = (uint64_t)input + (records ? below(INPUT_BYTES) : 0), .input_bytes = bytes, .out_bytes = sizeof(out[0]),
			.flags = CSD_CALL_FIRST | CSD_CALL_LAST, .range_count = 1,
		}, called = given, wanted = given;

		called.out = (uint64_t)out[0];
		called.ranges = (uint64_t)&ranges[0];
		wanted.out = (uint64_t)out[1];
		wanted.ranges = (uint64_t)&ranges[1];
		mapped.entry(&called);
		library_run(&library, &wanted);
		wanted.out = called.out;
		wanted.ranges = called.ranges;
		CHECK(memcmp(&called, &wanted, sizeof(called)) == 0, "%s: round %u: %#lx, and %#lx of the shared object", name, round,
		      called.matches, wanted.matches);
		CHECK(memcmp(out[0], out[1], sizeof(out[0])) == 0 && memcmp(range_bytes[0], range_bytes[1], sizeof(range_bytes[0])) == 0,
		      "%s: round %u: other bytes come out", name, round);
		CHECK(library.state == NULL || memcmp((void *)mapped.header.state, library.state, state_bytes) == 0,
		      "%s: round %u: another state", name, round);
	}
	blob_unmap(&mapped);
	dlclose(library.handle);
	csd_object_free(&object);
	free(file.bytes);
}

/* --- faults --- */

static const struct mapped *fault_mapped;

static void
fault_signal(int number, siginfo_t *info, void *context)
{
	uint64_t at = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)number;
	(void)info;
	_exit(csd_blob_instruction(fault_mapped->file.bytes, &fault_mapped->header, at) & 0x7f);
}

/* As an exit status. */
static void
check_fault(const char *folder, const char *name, int instruction)
{
	struct sigaction action = {.sa_sigaction = fault_signal, .sa_flags = SA_SIGINFO};
	struct mapped mapped;
	char path[512];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s.csd", folder, name);
	mapped = blob_map(path);
	fault_mapped = &mapped;
	pid = fork();
	if (pid == 0) {
		struct csd_call call = {.flags = CSD_CALL_FIRST | CSD_CALL_LAST};

		sigaction(SIGSEGV, &action, NULL);
		mapped.entry(&call);
		_exit(0x7f);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status), "%s: status %#x", name, status);
	CHECK(WEXITSTATUS(status) == instruction, "%s: the fault is said to be instruction %d, and is %d", name, WEXITSTATUS(status),
	      instruction);
	blob_unmap(&mapped);
}

int
main(int argc, char **argv)
{
	CHECK(argc > 3, "usage: test_blob FOLDER LIBRARIES NAME...");
	alarm(120);	/* a program that runs on */
	for (int i = 3; i < argc; i++) {
		compare(argv[1], argv[2], argv[i]);
	}
	check_fault(argv[1], "fault9", 9);
	check_fault(argv[1], "copy5", 5);
	printf("test_blob: %d programs as blobs and as shared objects, and 2 faults, passed\n", argc - 3);
	return 0;
}
