/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What a program does wrong hurts its own command alone: each of hostile.h, by a worker of its own, while the worker of
 * another owner has to give right answers, and memory that is not the program's stays as it was.
 *
 *	test_worker FOLDER [UID]
 */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "csd_bpf.h"
#include "csd_confine.h"
#include "hostile.h"
#include "lab.h"
#include "test.h"

#define DATA_BYTES	(4 << 20)
#define PART		(1 << 20)	/* of them each pool sees its own */

struct test {
	struct lab lab;
	struct csd_memory *data, *ranges;
	struct csd_pool *hostile, *other;
	struct csd_worker *beside;	/* of `other`: a command is always under way */
	uint64_t beside_done;
	uint64_t slowest_again;		/* ns from a command's end until the pool answers the next one */
};

enum { MEMORY_DATA, MEMORY_RANGE, MEMORY_WINDOW, MEMORY_OUTPUT };

/* The other pool's command: right each time. */
static void
test_beside(struct test *test)
{
	struct outcome outcome = {0};

	if (test->beside != NULL && lab_over(&test->lab, test->beside, &outcome)) {
		lab_check_honest(&outcome, test->beside_done, 3);
		test->beside = NULL;
		test->beside_done++;
	}
	if (test->beside == NULL) {
		test->beside = csd_pool_take(test->other, 77);
		if (test->beside != NULL) {
			lab_ask(test->beside, HOSTILE_NOT, test->beside_done, 3);
		}
	}
}

static struct outcome
test_run(struct test *test, uint64_t owner, uint64_t what, uint64_t with)
{
	struct csd_worker *worker;
	uint64_t deadline = csd_now() + LAB_TIMEOUT_MS * 1000000ULL;
	struct outcome outcome = {0};

	while ((worker = csd_pool_take(test->hostile, owner)) == NULL) {
		test_beside(test);
		lab_wait(&test->lab, deadline, "a worker is ready");
	}
	outcome.began = csd_now();
	lab_ask(worker, what, with, 7);
	while (!lab_over(&test->lab, worker, &outcome)) {
		test_beside(test);
		lab_wait(&test->lab, deadline, "a command ends");
	}
	return outcome;
}

/* What is not the program's is as it was: the data, all of the ranges but its own, the code. */
static void
test_untouched(const struct test *test)
{
	for (uint32_t i = 0; i < DATA_BYTES; i++) {
		CHECK(test->data->base[i] == (uint8_t)(i * 31), "data, byte %u", i);
	}
	for (uint32_t i = 0; i < DATA_BYTES; i++) {
		CHECK((i >= PART && i < 2 * PART) || test->ranges->base[i] == (uint8_t)(i * 17), "ranges, byte %u", i);
	}
}

/* After whatever it was, the pool answers, to the same owner and to another one. */
static void
test_works_again(struct test *test, uint64_t since)
{
	struct outcome outcome = test_run(test, 1, HOSTILE_NOT, 5);

	lab_check_honest(&outcome, 5, 7);
	test->slowest_again = outcome.ended - since > test->slowest_again ? outcome.ended - since : test->slowest_again;
	outcome = test_run(test, 2, HOSTILE_NOT, 6);
	lab_check_honest(&outcome, 6, 7);
}

struct wrong {
	const char *name;
	uint64_t what, with;
	enum csd_worker_end end;
	uint32_t signal;		/* 0: none */
	bool at;			/* the fault's address is `with` */
};

static void
test_wrong(struct test *test, const struct wrong *wrong)
{
	struct outcome outcome = test_run(test, 1, wrong->what, wrong->with);

	CHECK(!outcome.answered, "%s: answered", wrong->name);
	CHECK(outcome.end == wrong->end, "%s: ended %d, not %d; signal %u", wrong->name, outcome.end, wrong->end, outcome.fault.signal);
	CHECK(outcome.fault.signal == wrong->signal, "%s: signal %u, not %u", wrong->name, outcome.fault.signal, wrong->signal);
	if (wrong->at) {
		CHECK(outcome.fault.address == wrong->with, "%s: at %#lx, not %#lx", wrong->name, outcome.fault.address, wrong->with);
	}
	if (wrong->what == HOSTILE_READ || wrong->what == HOSTILE_WRITE || wrong->what == HOSTILE_LOOP) {
		CHECK(outcome.fault.instruction > CSD_BLOB_CODE && outcome.fault.instruction < CSD_BLOB_CODE + test->lab.header.code_bytes,
		      "%s: by %#lx", wrong->name, outcome.fault.instruction);
	}
	test_works_again(test, outcome.ended);
	printf("  %s: %s\n", wrong->name, outcome.fault.signal != 0 ? strsignal((int)outcome.fault.signal) : outcome.end == CSD_WORKER_END_FORGED ? "cannot be true" :
	       "exit");
}

static void
test_all_wrong(struct test *test)
{
	const uint64_t data = CSD_LAYOUT_MEMORY(MEMORY_DATA), range = CSD_LAYOUT_MEMORY(MEMORY_RANGE);
	const struct wrong wrong[] = {
		{"reads address 0", HOSTILE_READ, 0, CSD_WORKER_END_FAULT, SIGSEGV, true},
		{"reads before its data namespace", HOSTILE_READ, data - 1, CSD_WORKER_END_FAULT, SIGSEGV, true},
		{"reads behind its part of it", HOSTILE_READ, data + PART, CSD_WORKER_END_FAULT, SIGSEGV, true},
		{"reads behind its range", HOSTILE_READ, range + PART, CSD_WORKER_END_FAULT, SIGSEGV, true},
		{"reads behind its window", HOSTILE_READ, CSD_LAYOUT_MEMORY(MEMORY_WINDOW) + LAB_WINDOW_BYTES, CSD_WORKER_END_FAULT,
		 SIGSEGV, true},
		{"reads behind its output", HOSTILE_READ, CSD_LAYOUT_MEMORY(MEMORY_OUTPUT) + LAB_OUTPUT_BYTES, CSD_WORKER_END_FAULT,
		 SIGSEGV, true},
		{"reads behind its own data", HOSTILE_READ, CSD_BLOB_DATA + test->lab.header.data_bytes, CSD_WORKER_END_FAULT, SIGSEGV,
		 true},
		{"reads behind the ring", HOSTILE_READ, CSD_LAYOUT_RING + CSD_RING_BYTES, CSD_WORKER_END_FAULT, SIGSEGV, true},
		{"reads memory that it was not given", HOSTILE_READ, CSD_LAYOUT_MEMORY(4), CSD_WORKER_END_FAULT, SIGSEGV, true},
		{"reads the target's memory", HOSTILE_READ, (uint64_t)test->data->base, CSD_WORKER_END_FAULT, SIGSEGV, true},
		{"writes the data namespace", HOSTILE_WRITE, data + 5, CSD_WORKER_END_FAULT, SIGSEGV, true},
		{"writes its window", HOSTILE_WRITE, CSD_LAYOUT_MEMORY(MEMORY_WINDOW), CSD_WORKER_END_FAULT, SIGSEGV, true},
		{"writes its code", HOSTILE_WRITE, CSD_BLOB_CODE + 128, CSD_WORKER_END_FAULT, SIGSEGV, true},
		{"jumps into its data", HOSTILE_JUMP, CSD_BLOB_DATA + 64, CSD_WORKER_END_FAULT, SIGSEGV, true},
		{"jumps into its window", HOSTILE_JUMP, CSD_LAYOUT_MEMORY(MEMORY_WINDOW), CSD_WORKER_END_FAULT, SIGSEGV, true},
		{"smashes its return address", HOSTILE_SMASH, 0, CSD_WORKER_END_FAULT, SIGSEGV, false},
		{"recurses without end", HOSTILE_RECURSE, 0, CSD_WORKER_END_FAULT, SIGSEGV, false},
		{"takes a GiB of stack", HOSTILE_STACK, 0, CSD_WORKER_END_FAULT, SIGSEGV, false},
		{"has an invalid instruction", HOSTILE_INVALID, 0, CSD_WORKER_END_FAULT, SIGILL, false},
		{"has a breakpoint", HOSTILE_BREAKPOINT, 0, CSD_WORKER_END_FAULT, SIGTRAP, false},
		{"divides by zero", HOSTILE_DIVIDE, 0, CSD_WORKER_END_FAULT, SIGFPE, false},
		{"loops without end", HOSTILE_LOOP, 0, CSD_WORKER_END_TIME, SIGXCPU, false},
		{"consumed more than there is", HOSTILE_CONSUMED, 1, CSD_WORKER_END_FORGED, 0, false},
		{"emitted more than it had room for", HOSTILE_EMITTED, 1, CSD_WORKER_END_FORGED, 0, false},
		{"emitted 2^63", HOSTILE_EMITTED, 1ULL << 63, CSD_WORKER_END_FORGED, 0, false},
		{"saw more records than bytes", HOSTILE_RECORDS, 1, CSD_WORKER_END_FORGED, 0, false},
		{"kept more records than it saw", HOSTILE_MATCHES, 1, CSD_WORKER_END_FORGED, 0, false},
		{"ended in no way that there is", HOSTILE_END, 0, CSD_WORKER_END_FORGED, 0, false},
		{"answered twice", HOSTILE_ANSWERED, 2, CSD_WORKER_END_FORGED, 0, false},
		{"answered 2^31 times", HOSTILE_ANSWERED, 1U << 31, CSD_WORKER_END_FORGED, 0, false},
		{"answered what was not asked", HOSTILE_SEQUENCE, 0, CSD_WORKER_END_FORGED, 0, false},
		{"makes a system call: read", HOSTILE_SYSTEM_CALL, SYS_read, CSD_WORKER_END_FAULT, SIGSYS, false},
		{"mmap", HOSTILE_SYSTEM_CALL, SYS_mmap, CSD_WORKER_END_FAULT, SIGSYS, false},
		{"mprotect", HOSTILE_SYSTEM_CALL, SYS_mprotect, CSD_WORKER_END_FAULT, SIGSYS, false},
		{"open", HOSTILE_SYSTEM_CALL, SYS_open, CSD_WORKER_END_FAULT, SIGSYS, false},
		{"socket", HOSTILE_SYSTEM_CALL, SYS_socket, CSD_WORKER_END_FAULT, SIGSYS, false},
		{"fork", HOSTILE_SYSTEM_CALL, SYS_fork, CSD_WORKER_END_FAULT, SIGSYS, false},
		{"kill", HOSTILE_SYSTEM_CALL, SYS_kill, CSD_WORKER_END_FAULT, SIGSYS, false},
		{"rt_sigprocmask", HOSTILE_SYSTEM_CALL, SYS_rt_sigprocmask, CSD_WORKER_END_FAULT, SIGSYS, false},
		{"getpid of x32", HOSTILE_SYSTEM_CALL, 0x40000000 | SYS_getpid, CSD_WORKER_END_FAULT, SIGSYS, false},
		{"getpid of i386", HOSTILE_OLD_SYSTEM_CALL, 20, CSD_WORKER_END_FAULT, SIGSYS, false},
		{"ends itself", HOSTILE_SYSTEM_CALL, SYS_exit_group, CSD_WORKER_END_FAULT, 0, false},
		{"futex: wakes others", HOSTILE_FUTEX, 1, CSD_WORKER_END_FAULT, SIGSYS, false},
		{"futex: locks", HOSTILE_FUTEX, 6, CSD_WORKER_END_FAULT, SIGSYS, false},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		test_wrong(test, &wrong[i]);
	}
	test_untouched(test);
}

/* Forged while it is read: whatever the target takes was checked as it was taken. Answers may be lies; they are in bounds. */
static void
test_races(struct test *test)
{
	uint32_t taken = 0, refused = 0;

	for (uint32_t i = 0; i < 60; i++) {
		struct outcome outcome = test_run(test, 1, i % 2 == 0 ? HOSTILE_FORGE : HOSTILE_SCRIBBLE, 0);

		if (outcome.answered) {
			CHECK(outcome.answer.consumed <= LAB_WINDOW_BYTES && outcome.answer.emitted <= LAB_OUTPUT_BYTES, "%#lx %#lx",
			      outcome.answer.consumed, outcome.answer.emitted);
			taken++;
		} else {
			CHECK(outcome.end == CSD_WORKER_END_FORGED || outcome.end == CSD_WORKER_END_TIME ||
			      outcome.end == CSD_WORKER_END_FAULT, "ended %d", outcome.end);
			refused++;
		}
	}
	printf("  answers changed while they are read: %u taken, %u refused\n", taken, refused);
	CHECK(refused > 0, "no forged answer was refused");
	test_works_again(test, csd_now());
}

/* What it may: its own range, its output, and nothing of one owner for another. */
static void
test_right(struct test *test)
{
	struct outcome outcome;

	outcome = test_run(test, 1, HOSTILE_READ, CSD_LAYOUT_MEMORY(MEMORY_DATA) + PART - 1);
	CHECK(outcome.answered, "ended %d", outcome.end);
	CHECK_EQUAL(outcome.state[4], (uint8_t)((2 * PART - 1) * 31));
	outcome = test_run(test, 1, HOSTILE_WRITE, CSD_LAYOUT_MEMORY(MEMORY_RANGE) + PART - 1);
	CHECK(outcome.answered, "ended %d", outcome.end);
	CHECK_EQUAL(test->ranges->base[2 * PART - 1], 1);
	outcome = test_run(test, 10, HOSTILE_KEEP, 0xfeed);
	CHECK(outcome.answered, "ended %d", outcome.end);
	outcome = test_run(test, 11, HOSTILE_FIND, 0);
	CHECK(outcome.answered && outcome.state[4] == 0 && outcome.state[5] == 0, "another owner finds %#lx, %#lx", outcome.state[4],
	      outcome.state[5]);
	/* The test could see it: its own owner does find what lay beside the program's data. */
	outcome = test_run(test, 10, HOSTILE_FIND, 0);
	CHECK(outcome.answered && outcome.state[4] == 0 && outcome.state[5] == 0xfeed, "its own owner finds %#lx, %#lx",
	      outcome.state[4], outcome.state[5]);
}

struct lines {
	uint32_t bytes, calls;
	uint64_t lost;
};

static void
test_take_lines(void *ctx, const uint8_t *lines, uint32_t bytes, uint64_t lost)
{
	struct lines *taken = ctx;

	CHECK(bytes <= CSD_RING_TRACE_BYTES, "%u bytes of lines", bytes);
	for (uint32_t i = 0; i < bytes; i++) {
		CHECK(lines[i] == 'x', "byte %u of %u is %02xh", i, bytes, lines[i]);
	}
	taken->bytes += bytes;
	taken->lost += lost;
	taken->calls++;
}

/* Lines of an answer, and what there is besides when the command is over. The CPU time that it took, as far as is known:
 * of what runs on another CPU, the kernel counts up to its last tick.
 */
static uint64_t
test_lines_of(struct test *test, enum hostile what, uint64_t with, struct lines *answered, struct lines *rest)
{
	struct csd_worker *worker = lab_take(&test->lab, test->hostile, 1);
	uint64_t deadline = csd_now() + LAB_TIMEOUT_MS * 1000000ULL;
	struct csd_ring_answer answer;
	uint64_t taken;
	bool came;

	*answered = *rest = (struct lines) {0};
	lab_ask(worker, what, with, 7);
	while (!(came = csd_worker_answer(worker, LAB_WINDOW_BYTES, &answer)) && worker->state != CSD_WORKER_GONE) {
		lab_wait(&test->lab, deadline, "a command ends");
	}
	CHECK(came == (what != HOSTILE_LAST_LINES), "answered: %d", came);
	if (came) {
		csd_worker_take_lines(worker, &answer, test_take_lines, answered);
	}
	csd_worker_take_lines(worker, NULL, test_take_lines, rest);
	taken = csd_worker_cpu_time(worker);
	CHECK(taken < LAB_CPU_NS, "%lu ns of CPU", taken);
	csd_worker_release(worker);
	return taken;
}

/* Also of a program that then ended by a fault; never more than there is room for, whatever it says; each one once. */
static void
test_lines(struct test *test)
{
	static const uint64_t lengths[] = {0, 1, CSD_RING_TRACE_BYTES - 1, CSD_RING_TRACE_BYTES, CSD_RING_TRACE_BYTES + 1, UINT64_MAX};
	struct lines answered, rest;
	uint64_t taken = 0;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint64_t wanted = lengths[i] < CSD_RING_TRACE_BYTES ? lengths[i] : CSD_RING_TRACE_BYTES;

		/* Each of a worker's places in turn, and again. */
		for (uint32_t turn = 0; turn < 2 * CSD_RING_DEPTH; turn++) {
			taken += test_lines_of(test, HOSTILE_LINES, lengths[i], &answered, &rest);
			CHECK_EQUAL(answered.bytes, wanted);
			CHECK_EQUAL(answered.lost, lengths[i] - wanted);
			CHECK_EQUAL(rest.calls, 0);
			taken += test_lines_of(test, HOSTILE_TRACED, lengths[i], &answered, &rest);
			CHECK_EQUAL(answered.bytes, 0);
		}
		taken += test_lines_of(test, HOSTILE_LAST_LINES, lengths[i], &answered, &rest);
		CHECK_EQUAL(rest.bytes, wanted);
		CHECK_EQUAL(rest.calls, 1);
	}
	CHECK(taken > 0, "no CPU time of any command");
	test_works_again(test, csd_now());
}

/* Ended on the target's wish, at once, whatever the program does. */
static void
test_aborted(struct test *test)
{
	struct csd_worker *worker = lab_take(&test->lab, test->hostile, 1);
	uint64_t deadline = csd_now() + LAB_TIMEOUT_MS * 1000000ULL, asked;
	struct outcome outcome;

	lab_ask(worker, HOSTILE_LOOP, 0, 7);
	asked = csd_now();
	csd_worker_end(worker);
	while (!lab_over(&test->lab, worker, &outcome)) {
		lab_wait(&test->lab, deadline, "an unwanted command ends");
	}
	CHECK(!outcome.answered && outcome.end == CSD_WORKER_END_ASKED, "ended %d", outcome.end);
	CHECK(outcome.ended - asked < LAB_CPU_NS, "%lu ms: by its CPU time, not by the wish", (outcome.ended - asked) / 1000000);
	test_works_again(test, outcome.ended);
}

/* More owners than there may be workers: each is served, the idle ones make room. */
static void
test_many_owners(struct test *test)
{
	for (uint64_t owner = 1000; owner < 1000 + 3 * LAB_MOST; owner++) {
		struct outcome outcome = test_run(test, owner, HOSTILE_NOT, owner);

		lab_check_honest(&outcome, owner, 7);
		CHECK(lab_processes("csd_worker") <= LAB_MOST, "%u workers", lab_processes("csd_worker"));
	}
}

static void
test_layers(struct test *test)
{
	struct outcome outcome = test_run(test, 1, HOSTILE_NOT, 0);
	struct csd_confined confined = {0};
	char words[512];

	for (uint32_t i = 0; i < CSD_LAYERS; i++) {
		confined.stands[i] = (outcome.layers & 1U << i) != 0;
	}
	csd_confine_words(&confined, words, sizeof(words));
	printf("  layers here: %s\n", words);
	for (uint32_t i = 0; i < CSD_LAYERS; i++) {
		CHECK(confined.stands[i] || (i >= CSD_LAYER_FILES && i <= CSD_LAYER_SIGNALS), "%s", words);
	}
}

static struct csd_memory *
test_memory(const char *name, uint32_t factor, unsigned int flags)
{
	struct csd_memory *memory;

	CHECK(csd_memory_create(name, DATA_BYTES, flags, &memory) == 0, "%s", name);
	for (uint32_t i = 0; i < DATA_BYTES; i++) {
		memory->base[i] = (uint8_t)(i * factor);
	}
	return memory;
}

int
main(int argc, char **argv)
{
	struct test test = {.beside = NULL};
	uint32_t descriptors = lab_descriptors();
	struct csd_pool_memory memories[2];

	CHECK(argc == 2 || argc == 3, "usage: test_worker FOLDER [UID]");
	lab_open(&test.lab, argv[1], argc == 3 ? argv[2] : NULL);
	test.data = test_memory("data", 31, CSD_MEMORY_READ_ONLY);
	test.ranges = test_memory("ranges", 17, 0);
	memories[MEMORY_DATA] = (struct csd_pool_memory) {test.data, PART, PART, false};
	memories[MEMORY_RANGE] = (struct csd_pool_memory) {test.ranges, PART, PART, true};
	test.hostile = lab_pool(&test.lab, memories, 2);
	test.other = lab_pool(&test.lab, NULL, 0);

	test_layers(&test);
	test_right(&test);
	test_all_wrong(&test);
	test_races(&test);
	test_lines(&test);
	test_aborted(&test);
	test_many_owners(&test);
	test_untouched(&test);

	if (test.beside != NULL) {
		csd_worker_release(test.beside);
	}
	CHECK(test.beside_done > 100, "only %lu commands beside", test.beside_done);
	printf("  %lu right answers beside; the slowest to work again took %.1f ms; longest of %lu polls %.2f ms of CPU time\n", test.beside_done,
	       test.slowest_again / 1e6, test.lab.polls, test.lab.longest_poll / 1e6);
	lab_pool_close(&test.lab, test.hostile);
	lab_pool_close(&test.lab, test.other);
	csd_memory_put(test.data);
	csd_memory_put(test.ranges);
	lab_close(&test.lab);
	CHECK_EQUAL(lab_descriptors(), descriptors);
	printf("test_worker: passed%s%s\n", argc == 3 ? " as user " : "", argc == 3 ? argv[2] : "");
	return 0;
}
