/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The engine: what it refuses, with the reason; what runs, compiled and interpreted, with the same results. */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include "test.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

static const struct csd_load_options defaults;
static char reason[CSD_REASON_BYTES];

static struct csd_program *
load(const struct csd_insn *insns, size_t count, const struct csd_load_options *options)
{
	struct csd_program *program;

	CHECK(csd_program_load(insns, count * sizeof(*insns), options, &program, reason) == 0, "%s", reason);
	return program;
}

#define LOAD_PROGRAM(insns, ...) load(insns, COUNT(insns), &(struct csd_load_options) {__VA_ARGS__})

/* --- what a record may take --- */

static void
test_longest_way(void)
{
	const struct csd_insn straight[] = {MOV(0, 0), MOV(1, 1), EXIT};
	/* The dearer of two ways, which join again: 1 for each instruction, 30 for each division. */
	const struct csd_insn ways[] = {
		LOAD(BPF_B, 2, 1, 0), MOV(0, 1000), IF(BPF_JEQ, 2, 0, 2), ALU(BPF_DIV, 0, 7), ALU(BPF_MOD, 0, 5), EXIT,
	};
	const struct csd_insn other[] = {
		LOAD(BPF_B, 2, 1, 0), MOV(0, 1000), IF(BPF_JEQ, 2, 0, 1), JUMP(2), ALU(BPF_DIV, 0, 7), ALU(BPF_DIV, 0, 5), EXIT,
	};
	const struct csd_insn wide[] = {LD64(0, 1, 2), EXIT};
	struct csd_program *program = LOAD_PROGRAM(straight, .interpret = true);

	CHECK_EQUAL(csd_program_info(program)->longest_ns, 8 * 3);
	csd_program_unload(program);
	program = LOAD_PROGRAM(ways, .interpret = true);
	CHECK_EQUAL(csd_program_info(program)->longest_ns, 8 * (4 + 60));
	csd_program_unload(program);
	program = LOAD_PROGRAM(other, .interpret = true);
	CHECK_EQUAL(csd_program_info(program)->longest_ns, 8 * (4 + 60));
	csd_program_unload(program);
	program = LOAD_PROGRAM(wide, .interpret = true);
	CHECK_EQUAL(csd_program_info(program)->longest_ns, 8 * 2);
	csd_program_unload(program);
	program = LOAD_PROGRAM(ways);
	CHECK_EQUAL(csd_program_info(program)->longest_ns, (csd_program_info(program)->jit ? 1 : 8) * (4 + 60));
	csd_program_unload(program);
}

/* --- what is refused --- */

static void
refused(const struct csd_insn *insns, size_t count, const char *wanted)
{
	struct csd_program *program = NULL;

	reason[0] = '\0';
	CHECK_EQUAL(csd_program_load(insns, count * sizeof(*insns), &defaults, &program, reason), -EINVAL);
	CHECK(strcmp(reason, wanted) == 0, "refused with \"%s\", not \"%s\"", reason, wanted);
	CHECK(program == NULL, "a program came out");
}

#define REFUSED(reason, ...) do { \
	const struct csd_insn insns_[] = {__VA_ARGS__}; \
	refused(insns_, COUNT(insns_), reason); \
} while (0)

static void
test_bounds(void)
{
	REFUSED("instruction 0: load of 8 bytes at offset 60 of a record of 64", LOAD(BPF_DW, 0, 1, 60), EXIT);
	REFUSED("instruction 0: load of 1 bytes at offset -1 of a record of 64", LOAD(BPF_B, 0, 1, -1), EXIT);
	REFUSED("instruction 0: load of 2 bytes at offset 32767 of a record of 64", LOAD(BPF_H, 0, 1, 32767), EXIT);
	REFUSED("instruction 2: load of 4 bytes at offset 1024 of the parameters of 1024",
		PARAMETERS_AT(2, 0), LOAD(BPF_W, 0, 2, 1024), EXIT);
	REFUSED("instruction 2: load of 4 bytes at offset 61 of the state of 64",
		STATE_AT(2, 1), LOAD(BPF_W, 0, 2, 60), EXIT);
	REFUSED("instruction 3: store of 8 bytes at offset 64 of the state of 64",
		STATE_AT(2, 0), MOV(0, 0), STORE(BPF_DW, 2, 64, 0), EXIT);
	REFUSED("instruction 0: address of byte 64 of the state of 64", STATE_AT(2, 64), MOV(0, 0), EXIT);
	REFUSED("instruction 0: address of byte 4294967295 of the parameters of 1024", PARAMETERS_AT(2, -1), MOV(0, 0), EXIT);
	REFUSED("instruction 0: variable 3 does not exist", INSN(BPF_LD | BPF_DW, 2, CSD_EXTERN, 0, 3), INSN(0, 0, 0, 0, 0),
		MOV(0, 0), EXIT);
	/* An index out of the data */
	REFUSED("instruction 2: load of 1 bytes at offset 0 to 255 of a record of 64",
		LOAD(BPF_B, 2, 1, 0), ALUR(BPF_ADD, 1, 2), LOAD(BPF_B, 0, 1, 0), EXIT);
	REFUSED("instruction 4: load of 1 bytes at offset 0 to 64 of a record of 64",
		LOAD(BPF_B, 2, 1, 0), MOV(0, 0), IF(BPF_JGT, 2, 64, 2), ALUR(BPF_ADD, 1, 2), LOAD(BPF_B, 0, 1, 0), EXIT);
	REFUSED("instruction 1: an address in the record, moved by what may be any number: mask or compare it first",
		LOAD(BPF_DW, 2, 1, 0), ALUR(BPF_ADD, 1, 2), LOAD(BPF_B, 0, 1, 0), EXIT);
	/* A signed comparison says nothing of what lies below. */
	REFUSED("instruction 3: an address in the record, moved by what may be any number: mask or compare it first",
		LOAD(BPF_DW, 2, 1, 0), MOV(0, 0), IF(BPF_JSGT, 2, 63, 2), ALUR(BPF_ADD, 1, 2), LOAD(BPF_B, 0, 1, 0), EXIT);
	/* 3 & 4 is 0: librte_bpf's validator takes 3 for the smallest that can come out. */
	REFUSED("instruction 7: load of 1 bytes at offset -3 to 1 of a record of 64",
		LOAD(BPF_B, 2, 1, 0), MOV(0, 0), IF(BPF_JLT, 2, 3, 5), IF(BPF_JGT, 2, 4, 4), ALU(BPF_AND, 2, 4),
		ALU(BPF_SUB, 2, 3), ALUR(BPF_ADD, 1, 2), LOAD(BPF_B, 0, 1, 0), EXIT);
}

static void
test_writes(void)
{
	REFUSED("instruction 0: store to the record: a program writes its state and its stack only",
		STOREI(BPF_B, 1, 0, 1), MOV(0, 0), EXIT);
	REFUSED("instruction 3: store to the record: a program writes its state and its stack only",
		MOV(2, 8), ALUR(BPF_ADD, 1, 2), MOVR(3, 1), STORE(BPF_DW, 3, 0, 2), MOV(0, 0), EXIT);
	/* The record's address, through the stack */
	REFUSED("instruction 2: store to the record: a program writes its state and its stack only",
		STORE(BPF_DW, 10, -8, 1), LOAD(BPF_DW, 2, 10, -8), STOREI(BPF_W, 2, 0, 1), MOV(0, 0), EXIT);
	/* The record's or the state's, depending on the path */
	REFUSED("instruction 5: r2 is an address or something else, depending on the path to here",
		LOAD(BPF_B, 3, 1, 0), STATE_AT(2, 0), IF(BPF_JEQ, 3, 0, 1), MOVR(2, 1), STOREI(BPF_W, 2, 0, 1), MOV(0, 0), EXIT);
	REFUSED("instruction 2: store to the parameters: a program writes its state and its stack only",
		PARAMETERS_AT(2, 0), STOREI(BPF_W, 2, 0, 1), MOV(0, 0), EXIT);
	REFUSED("instruction 1: store at r2, which is a number, not an address", MOV(2, 4096), STOREI(BPF_W, 2, 0, 1), MOV(0, 0), EXIT);
	REFUSED("instruction 2: load at r2, which is a number, not an address", LD64(2, 4096, 1), LOAD(BPF_W, 0, 2, 0), EXIT);
	REFUSED("instruction 0: atomic operation: the state belongs to one run, so a plain one does",
		INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 1, 1, 0, BPF_ADD), MOV(0, 0), EXIT);
	REFUSED("instruction 0: writes to r10, the address of the stack", MOV(10, 0), MOV(0, 0), EXIT);
}

static void
test_addresses(void)
{
	REFUSED("instruction 1: returns the address of the record: a program returns a verdict", MOVR(0, 1), EXIT);
	REFUSED("instruction 2: stores the address of the record: addresses stay inside",
		STATE_AT(2, 0), STORE(BPF_DW, 2, 0, 1), MOV(0, 0), EXIT);
	REFUSED("instruction 0: stores the address of the record: addresses stay inside", STORE(BPF_W, 10, -8, 1), MOV(0, 0), EXIT);
	REFUSED("instruction 1: reads a part of an address from the stack", STORE(BPF_DW, 10, -8, 1), LOAD(BPF_W, 0, 10, -8), EXIT);
	REFUSED("instruction 2: reads stack that was not written on every path to here",
		STORE(BPF_DW, 10, -8, 1), STOREI(BPF_B, 10, -8, 0), LOAD(BPF_DW, 0, 10, -8), EXIT);
	REFUSED("instruction 0: arithmetic on the address of the record: numbers may be added to it or subtracted",
		ALU(BPF_RSH, 1, 1), MOVR(0, 1), EXIT);
	REFUSED("instruction 0: arithmetic on the address of the record: numbers may be added to it or subtracted",
		MOVR32(0, 1), EXIT);
	REFUSED("instruction 0: arithmetic on the address of the record: numbers may be added to it or subtracted",
		ALUR(BPF_SUB, 1, 10), MOVR(0, 1), EXIT);
	REFUSED("instruction 0: arithmetic on the address of the record", INSN(BPF_ALU | BPF_END | BPF_X, 1, 0, 0, 64), MOVR(0, 1), EXIT);
	REFUSED("instruction 1: compares the address of the record", MOV(0, 0), IF(BPF_JGT, 1, 0, 1), MOV(0, 1), EXIT);
}

static void
test_stack(void)
{
	REFUSED("instruction 0: reads stack that was not written on every path to here", LOAD(BPF_DW, 0, 10, -8), EXIT);
	REFUSED("instruction 1: reads stack that was not written on every path to here",
		STOREI(BPF_W, 10, -8, 1), LOAD(BPF_DW, 0, 10, -8), EXIT);
	REFUSED("instruction 3: reads stack that was not written on every path to here",
		LOAD(BPF_B, 2, 1, 0), IF(BPF_JEQ, 2, 0, 1), STORE(BPF_DW, 10, -8, 2), LOAD(BPF_DW, 0, 10, -8), EXIT);
	REFUSED("instruction 0: store of 8 bytes at offset -520 of a stack of 512", STOREI(BPF_DW, 10, -520, 1), MOV(0, 0), EXIT);
	REFUSED("instruction 0: store of 8 bytes at offset 0 of a stack of 512", STOREI(BPF_DW, 10, 0, 1), MOV(0, 0), EXIT);
	REFUSED("instruction 0: store of 8 bytes at offset -4 of a stack of 512", STOREI(BPF_DW, 10, -4, 1), MOV(0, 0), EXIT);
	REFUSED("instruction 0: 8 bytes of the stack at offset -12: misaligned", STOREI(BPF_DW, 10, -12, 1), MOV(0, 0), EXIT);
	REFUSED("instruction 4: store at a variable place of the stack",
		LOAD(BPF_B, 2, 1, 0), ALU(BPF_AND, 2, 8), MOVR(3, 10), ALUR(BPF_SUB, 3, 2), STOREI(BPF_DW, 3, -8, 1), MOV(0, 0), EXIT);
}

static void
test_registers(void)
{
	REFUSED("instruction 0: reads r0, which was not written on every path to here", EXIT);
	REFUSED("instruction 0: reads r2, which was not written on every path to here", MOVR(0, 2), EXIT);
	REFUSED("instruction 0: reads r5, which was not written on every path to here", ALU(BPF_ADD, 5, 1), MOV(0, 0), EXIT);
	REFUSED("instruction 3: reads r0, which was not written on every path to here",
		LOAD(BPF_B, 2, 1, 0), IF(BPF_JEQ, 2, 0, 1), MOV(0, 1), EXIT);
	REFUSED("instruction 0: register 11 does not exist", MOVR(0, 11), EXIT);
	REFUSED("instruction 0: register 15 does not exist", MOV(15, 0), EXIT);
}

static void
test_arithmetic(void)
{
	REFUSED("instruction 1: division by zero", MOV(0, 1), ALU(BPF_DIV, 0, 0), EXIT);
	REFUSED("instruction 1: division by zero", MOV(0, 1), INSN(BPF_ALU | BPF_MOD | BPF_K, 0, 0, 0, 0), EXIT);
	REFUSED("instruction 2: divides by r2, which may be zero: test it first",
		LOAD(BPF_W, 2, 1, 0), MOV(0, 7), ALUR(BPF_DIV, 0, 2), EXIT);
	REFUSED("instruction 2: divides by r2, which may be zero: test it first", MOV(2, 0), MOV(0, 7), ALUR(BPF_MOD, 0, 2), EXIT);
	REFUSED("instruction 3: divides by r2, which may be zero: test it first",	/* the test is of the other half */
		LOAD(BPF_DW, 2, 1, 0), MOV(0, 7), IF(BPF_JSGT, 2, 5, 1), ALUR(BPF_DIV, 0, 2), EXIT);
	REFUSED("instruction 1: division of r0 by itself", MOV(0, 7), ALUR(BPF_DIV, 0, 0), EXIT);
	REFUSED("instruction 2: 32-bit division by a register is not supported (compile with -mcpu=v2)",
		MOV(0, 7), MOV(2, 7), INSN(BPF_ALU | BPF_DIV | BPF_X, 0, 2, 0, 0), EXIT);
	REFUSED("instruction 1: opcode 37h with an offset: signed division and moves are not supported (compile with -mcpu=v2)",
		MOV(0, 7), INSN(BPF_ALU64 | BPF_DIV | BPF_K, 0, 0, 1, 2), EXIT);
	REFUSED("instruction 1: shift of 64 bits by 64", MOV(0, 1), ALU(BPF_LSH, 0, 64), EXIT);
	REFUSED("instruction 1: shift of 64 bits by -1", MOV(0, 1), ALU(BPF_RSH, 0, -1), EXIT);
	REFUSED("instruction 1: shift of 32 bits by 32", MOV(0, 1), INSN(BPF_ALU | BPF_LSH | BPF_K, 0, 0, 0, 32), EXIT);
	REFUSED("instruction 1: shift of r0 by itself", MOV(0, 1), ALUR(BPF_LSH, 0, 0), EXIT);
	REFUSED("instruction 1: byte swap of 8 bits; 16, 32 and 64 are possible",
		MOV(0, 1), INSN(BPF_ALU | BPF_END | BPF_X, 0, 0, 0, 8), EXIT);
}

static void
test_opcodes(void)
{
	REFUSED("instruction 0: calls helper 6: programs inside a drive have no helpers", INSN(BPF_JMP | BPF_CALL, 0, 0, 0, 6), EXIT);
	REFUSED("instruction 0: calls a function: a program is one function (__always_inline helps)",
		INSN(BPF_JMP | BPF_CALL, 0, 1, 0, 1), EXIT);
	REFUSED("instruction 0: tail call: a program ends with its own verdict",
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_tail_call), EXIT);
	REFUSED("instruction 0: opcode 30h loads from a packet: a program has a record", INSN(BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, 0), EXIT);
	REFUSED("instruction 0: opcode 50h loads from a packet: a program has a record", INSN(BPF_LD | BPF_IND | BPF_B, 0, 0, 0, 0), EXIT);
	REFUSED("instruction 0: opcode 91h is unknown: loads with sign are not supported (compile with -mcpu=v2)",
		INSN(0x91, 0, 1, 0, 0), EXIT);
	REFUSED("instruction 1: opcode 16h: 32-bit jumps are not supported (compile with -mcpu=v2)",
		MOV(0, 0), INSN(BPF_JMP32 | BPF_JEQ, 0, 0, 0, 0), EXIT);
	REFUSED("instruction 1: opcode c4h: 32-bit arithmetic shifts are not supported (compile with -mcpu=v2)",
		MOV(0, 0), INSN(BPF_ALU | BPF_ARSH, 0, 0, 0, 1), EXIT);
	REFUSED("instruction 1: opcode 45h: a jump on bits of a constant is not supported (mask, then compare)",
		MOV(0, 0), IF(BPF_JSET, 0, 1, 0), EXIT);
	REFUSED("instruction 1: opcode d4h: conversion to little endian, which numbers are already",
		MOV(0, 0), INSN(BPF_ALU | BPF_END | BPF_K, 0, 0, 0, 16), EXIT);
	REFUSED("instruction 0: opcode ffh is unknown", INSN(0xff, 0, 0, 0, 0), EXIT);
	REFUSED("instruction 0: opcode 00h is unknown", INSN(0, 0, 0, 0, 0), EXIT);
	REFUSED("instruction 0: opcode b7h: an unused field is not zero", INSN(BPF_ALU64 | BPF_MOV, 0, 1, 0, 0), EXIT);
	REFUSED("instruction 0: ld_imm64 of kind 2: no maps, no data of a program's own",
		INSN(BPF_LD | BPF_DW, 0, 2, 0, 0), INSN(0, 0, 0, 0, 0), EXIT);
	REFUSED("instruction 0: this ld_imm64 has a second half, or a field, that cannot be", INSN(BPF_LD | BPF_DW, 0, 0, 0, 0), EXIT);
	REFUSED("instruction 0: the second half of this ld_imm64 is missing", INSN(BPF_LD | BPF_DW, 0, 0, 0, 0));
}

static void
test_flow(void)
{
	REFUSED("instruction 0: the program runs, or jumps, past its end: exit is missing", MOV(0, 0));
	REFUSED("instruction 1: jump to instruction 102, outside of the program of 3", MOV(0, 0), JUMP(100), EXIT);
	REFUSED("instruction 1: jump to instruction -1, outside of the program of 3", MOV(0, 0), JUMP(-3), EXIT);
	REFUSED("instruction 1: jump to instruction 4, into the middle of an ld_imm64",
		MOV(0, 0), IF(BPF_JEQ, 0, 0, 2), MOV(0, 1), LD64(0, 0, 0), EXIT);
	REFUSED("instruction 1: jumps back to instruction 0: a loop (unroll it)", MOV(0, 0), JUMP(-2), EXIT);
	REFUSED("instruction 0: jumps back to instruction 0: a loop (unroll it)", JUMP(-1));
	REFUSED("instruction 2: jumps back to instruction 1: a loop (unroll it)",
		MOV(0, 9), ALU(BPF_SUB, 0, 1), IF(BPF_JNE, 0, 0, -2), EXIT);
	REFUSED("instruction 2: cannot be reached", MOV(0, 0), JUMP(1), MOV(0, 1), EXIT);
}

static void
test_sizes(void)
{
	static uint8_t bytes[CSD_MAX_PROGRAM_BYTES + 1];
	struct csd_insn *many = calloc(4097, sizeof(*many));
	struct csd_program *program;

	CHECK_EQUAL(csd_program_load(bytes, 0, &defaults, &program, reason), -EINVAL);
	CHECK(strcmp(reason, "a program is instructions of 8 bytes: 0 bytes are none") == 0, "%s", reason);
	CHECK_EQUAL(csd_program_load(bytes, 15, &defaults, &program, reason), -EINVAL);
	CHECK(strcmp(reason, "a program is instructions of 8 bytes: 15 bytes are none") == 0, "%s", reason);
	CHECK_EQUAL(csd_program_load(bytes, sizeof(bytes), &defaults, &program, reason), -EINVAL);
	CHECK(strcmp(reason, "a program of 1048577 bytes; at most 1048576 are possible") == 0, "%s", reason);
	for (int i = 0; i < 4097; i++) {
		many[i] = (struct csd_insn) MOV(0, 0);
	}
	many[4096] = (struct csd_insn) EXIT;
	refused(many, 4097, "4097 instructions; at most 4096 are possible");
	csd_program_unload(load(many + 1, 4096, &defaults));
	free(many);

	CHECK_EQUAL(csd_program_load(bytes, 8, &(struct csd_load_options) {.record_bytes = 65537}, &program, reason), -EINVAL);
	CHECK(strcmp(reason, "geometry: records of 65537 bytes; 1 to 65536 are possible") == 0, "%s", reason);
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Branches double the paths: what is just allowed still loads in no time. */
static void
test_paths(void)
{
	for (int branches = 1; branches <= 40; branches++) {
		struct csd_insn insns[3 * 40 + 2];
		struct csd_program *program = NULL;
		size_t count = 0;
		double begin;
		int rc;

		insns[count++] = (struct csd_insn) MOV(0, 0);
		for (int i = 0; i < branches; i++) {
			insns[count++] = (struct csd_insn) LOAD(BPF_B, 2, 1, i);
			insns[count++] = (struct csd_insn) IF(BPF_JEQ, 2, 7, 1);
			insns[count++] = (struct csd_insn) ALU(BPF_ADD, 0, 1 << (i & 15));
		}
		insns[count++] = (struct csd_insn) EXIT;
		begin = seconds();
		rc = csd_program_load(insns, count * sizeof(*insns), &defaults, &program, reason);
		CHECK(seconds() - begin < 0.5, "%.3f s for %d branches", seconds() - begin, branches);
		CHECK_EQUAL(rc, branches <= 14 ? 0 : -EINVAL);
		if (rc != 0) {
			CHECK(strncmp(reason, "too many paths: more than 100000 instructions", 45) == 0, "%s", reason);
		}
		csd_program_unload(program);
	}
}

/* --- what runs --- */

struct result {
	enum csd_slice_end end;
	uint64_t consumed, records, matches, emitted_bytes;
	uint8_t *out;
};

/* Over `input` in regions of at most `slice_bytes`, each copied to memory of its own that is not aligned. */
static struct result
run(struct csd_instance *instance, const uint8_t *input, uint64_t input_bytes, uint64_t slice_bytes, uint64_t out_bytes)
{
	struct result result = {.out = malloc(out_bytes + 1)};

	for (;;) {
		uint64_t left = result.consumed < input_bytes ? input_bytes - result.consumed : 0;
		uint64_t bytes = left < slice_bytes ? left : slice_bytes;
		uint8_t *memory = malloc(bytes + 1), *region = memory + 1;
		struct csd_slice slice = {
			.region = region, .region_bytes = bytes, .region_offset = result.consumed, .last = bytes == left,
			.out = result.out + result.emitted_bytes, .out_bytes = out_bytes - result.emitted_bytes,
		};

		if (bytes > 0) {
			memcpy(region, input + result.consumed, bytes);
		}
		result.end = csd_instance_run(instance, &slice);
		CHECK(bytes == 0 || memcmp(region, input + result.consumed, bytes) == 0, "the input was changed");
		free(memory);
		result.consumed += slice.consumed;
		result.records += slice.records;
		result.matches += slice.matches;
		result.emitted_bytes += slice.emitted_bytes;
		CHECK(result.emitted_bytes <= out_bytes, "out was overrun");
		if (result.end != CSD_SLICE_USED || bytes == left) {
			return result;
		}
		CHECK(slice.consumed > 0, "no progress in a slice of %llu", (unsigned long long)bytes);
	}
}

static void
fill(uint8_t *bytes, size_t length, uint32_t seed)
{
	for (size_t i = 0; i < length; i++) {
		seed = seed * 1664525 + 1013904223;
		bytes[i] = seed >> 24;
	}
}

/* The first byte of a record says what becomes of it. */
static const struct csd_insn first_byte[] = {LOAD(BPF_B, 0, 1, 0), EXIT};

static struct csd_instance *
begin(const struct csd_program *program, const struct csd_run_parameters *parameters)
{
	struct csd_instance *instance = csd_instance_create(program);

	CHECK(instance != NULL, "no memory");
	CHECK_EQUAL(csd_instance_begin(instance, parameters), 0);
	return instance;
}

static void
test_verdicts(bool interpret)
{
	struct csd_program *program = LOAD_PROGRAM(first_byte, .interpret = interpret, .record_bytes = 4);
	struct csd_instance *instance = csd_instance_create(program);
	uint8_t input[] = "\1abc" "\0def" "\4ghi" "\375jkl" "\2mno" "\1pqr" "\3stu" "\1vwx" "yz";
	struct result result;

	CHECK(csd_program_info(program)->jit == !interpret, "%s", csd_program_info(program)->engine);
	CHECK(strcmp(csd_program_info(program)->engine, interpret ? "librte_bpf interpreter" : "librte_bpf jit") == 0, "%s",
	      csd_program_info(program)->engine);

	CHECK_EQUAL(csd_instance_begin(instance, &(struct csd_run_parameters) {0}), 0);
	result = run(instance, input, sizeof(input) - 1, 64, 64);
	CHECK_EQUAL(result.end, CSD_SLICE_STOPPED);	/* by \2, the fifth */
	CHECK_EQUAL(result.consumed, 20);
	CHECK_EQUAL(result.records, 5);
	CHECK_EQUAL(result.matches, 2);
	CHECK(result.emitted_bytes == 8 && memcmp(result.out, "\1abc\375jkl", 8) == 0, "%llu bytes",
	      (unsigned long long)result.emitted_bytes);
	free(result.out);

	result = run(instance, input + 20, sizeof(input) - 21, 64, 64);
	CHECK_EQUAL(result.end, CSD_SLICE_STOPPED);	/* by \3, which is also kept */
	CHECK_EQUAL(result.records, 2);
	CHECK(result.emitted_bytes == 8 && memcmp(result.out, "\1pqr\3stu", 8) == 0, "wrong records");
	free(result.out);

	result = run(instance, input + 28, sizeof(input) - 29, 64, 64);
	CHECK_EQUAL(result.end, CSD_SLICE_USED);	/* "yz" is shorter than a record */
	CHECK_EQUAL(result.consumed, 4);
	CHECK_EQUAL(result.records, 1);
	free(result.out);

	result = run(instance, input, 3, 64, 64);
	CHECK_EQUAL(result.end, CSD_SLICE_USED);
	CHECK_EQUAL(result.records + result.consumed, 0);
	free(result.out);
	csd_instance_destroy(instance);
	csd_program_unload(program);
}

/* Room for an item is looked for before the program sees the record. */
static void
test_room(bool interpret)
{
	struct csd_program *program = LOAD_PROGRAM(first_byte, .interpret = interpret, .record_bytes = 4);
	struct csd_instance *instance = begin(program, &(struct csd_run_parameters) {0});
	const uint8_t input[] = "\0aaa" "\1bbb" "\0ccc" "\1ddd" "\0eee" "\1fff";

	for (uint64_t room = 0; room < 14; room++) {
		struct result result = run(instance, input, 24, 64, room);
		static const uint64_t seen[] = {0, 2, 4, 6};

		CHECK_EQUAL(result.end, room < 12 ? CSD_SLICE_FULL : CSD_SLICE_USED);
		CHECK_EQUAL(result.records, seen[room / 4]);
		CHECK_EQUAL(result.consumed, 4 * seen[room / 4]);
		CHECK_EQUAL(result.matches, room / 4);
		CHECK_EQUAL(result.emitted_bytes, room / 4 * 4);
		free(result.out);
	}
	csd_instance_destroy(instance);
	csd_program_unload(program);
}

/* What the engine should do with records of which the first byte decides. */
static struct result
expected(const uint8_t *input, uint64_t bytes, uint32_t record, uint32_t stride, uint32_t emit)
{
	struct result result = {.out = malloc((bytes / stride + 1) * (record > 8 ? record : 8))};

	while (result.consumed + record <= bytes) {
		const uint8_t *at = input + result.consumed;

		if (*at & CSD_KEEP) {
			if (emit == CSD_EMIT_RECORD) {
				memcpy(result.out + result.emitted_bytes, at, record);
				result.emitted_bytes += record;
			} else if (emit == CSD_EMIT_OFFSET) {
				memcpy(result.out + result.emitted_bytes, &result.consumed, 8);
				result.emitted_bytes += 8;
			}
			result.matches++;
		}
		result.consumed += stride;
		result.records++;
	}
	return result;
}

static void
test_geometries(bool interpret)
{
	static const uint32_t geometries[][2] = {	/* record, stride */
		{64, 64}, {64, 1}, {64, 16}, {64, 100}, {1, 1}, {7, 3}, {8, 8}, {96, 96}, {3, 1000}, {512, 512},
	};
	static const uint64_t slices[] = {512, 513, 1000, 4096, 100000};
	uint8_t *input = malloc(20011);

	fill(input, 20011, 7);
	for (size_t i = 0; i < 20011; i++) {
		input[i] &= ~CSD_STOP;
	}
	for (size_t g = 0; g < COUNT(geometries); g++) {
		for (uint32_t emit = CSD_EMIT_RECORD; emit <= CSD_EMIT_NOTHING; emit++) {
			uint32_t record = geometries[g][0], stride = geometries[g][1];
			struct csd_program *program = LOAD_PROGRAM(first_byte, .interpret = interpret, .record_bytes = record,
								   .stride_bytes = stride, .emit = emit);
			struct csd_instance *instance = begin(program, &(struct csd_run_parameters) {0});
			struct result wanted = expected(input, 20011, record, stride, emit);

			CHECK_EQUAL(csd_program_info(program)->emit_bytes, emit == 0 ? record : emit == 1 ? 8 : 0);
			for (size_t s = 0; s < COUNT(slices); s++) {
				struct result result = run(instance, input, 20011, slices[s], wanted.emitted_bytes + 600);

				CHECK_EQUAL(result.end, CSD_SLICE_USED);
				CHECK_EQUAL(result.records, wanted.records);
				CHECK_EQUAL(result.consumed, wanted.consumed);
				CHECK_EQUAL(result.matches, wanted.matches);
				CHECK_EQUAL(result.emitted_bytes, wanted.emitted_bytes);
				CHECK(memcmp(result.out, wanted.out, wanted.emitted_bytes) == 0, "record %u, stride %u, emit %u",
				      record, stride, emit);
				free(result.out);
			}
			free(wanted.out);
			csd_instance_destroy(instance);
			csd_program_unload(program);
		}
	}
	free(input);
}

/* Counts records in the state, and stops where cparam1 says; adds up what the parameters hold. */
static const struct csd_insn counting[] = {
	STATE_AT(2, 0),
	LOAD(BPF_DW, 3, 2, 0),
	ALU(BPF_ADD, 3, 1),
	STORE(BPF_DW, 2, 0, 3),
	PARAMETERS_AT(4, 0),
	LOAD(BPF_DW, 5, 4, 8),
	STORE(BPF_DW, 2, 8, 5),		/* cparam2 */
	LOAD(BPF_W, 5, 4, 16),
	STORE(BPF_W, 2, 16, 5),		/* data_bytes */
	LOAD(BPF_W, 5, 4, 20),
	STORE(BPF_W, 2, 20, 5),		/* record_bytes */
	LOAD(BPF_B, 5, 4, 24),
	STORE(BPF_B, 2, 24, 5),		/* data[0] */
	LOAD(BPF_B, 5, 4, 1023),
	STORE(BPF_B, 2, 25, 5),		/* data[999] */
	LOAD(BPF_DW, 5, 4, 0),
	MOV(0, CSD_DROP),
	IFR(BPF_JNE, 3, 5, 1),
	MOV(0, CSD_STOP),
	EXIT,
};

struct counts {
	uint64_t records, cparam2;
	uint32_t data_bytes, record_bytes;
	uint8_t first, last;
};

static void
test_state(bool interpret)
{
	struct csd_program *program = LOAD_PROGRAM(counting, .interpret = interpret, .state_bytes = 32, .emit = CSD_EMIT_NOTHING);
	struct csd_instance *instance = csd_instance_create(program);
	uint8_t input[64 * 10] = {0}, data[CSD_DATA_BYTES + 1] = {[0] = 1, [999] = 2};
	const struct counts *counts = csd_instance_state(instance);
	struct counts given = {.records = 100, .first = 9};
	struct csd_run_parameters parameters = {.cparam1 = 1000, .cparam2 = 77, .data = data, .data_bytes = CSD_DATA_BYTES};
	struct result result;

	/* over slices, then over another run in the same state */
	CHECK_EQUAL(csd_instance_begin(instance, &parameters), 0);
	free(run(instance, input, sizeof(input), 64 * 3 + 5, 0).out);
	CHECK_EQUAL(counts->records, 10);
	CHECK_EQUAL(counts->cparam2, 77);
	CHECK_EQUAL(counts->data_bytes, CSD_DATA_BYTES);
	CHECK_EQUAL(counts->record_bytes, 64);
	CHECK_EQUAL(counts->first, 1);
	CHECK_EQUAL(counts->last, 2);
	free(run(instance, input, sizeof(input), 1000, 0).out);
	CHECK_EQUAL(counts->records, 20);

	/* begin: zeros, and nothing left of the longer data */
	parameters = (struct csd_run_parameters) {.cparam1 = 4, .data = data, .data_bytes = 1};
	CHECK_EQUAL(csd_instance_begin(instance, &parameters), 0);
	CHECK_EQUAL(counts->records, 0);
	result = run(instance, input, sizeof(input), 1000, 0);
	CHECK_EQUAL(result.end, CSD_SLICE_STOPPED);
	CHECK_EQUAL(result.records, 4);
	CHECK_EQUAL(result.consumed, 4 * 64);
	CHECK_EQUAL(counts->records, 4);
	CHECK_EQUAL(counts->first, 1);
	CHECK_EQUAL(counts->last, 0);
	free(result.out);

	/* begin with a state */
	parameters = (struct csd_run_parameters) {.state = &given};
	CHECK_EQUAL(csd_instance_begin(instance, &parameters), 0);
	free(run(instance, input, sizeof(input), 1000, 0).out);
	CHECK_EQUAL(counts->records, 110);
	CHECK_EQUAL(counts->first, 0);

	parameters = (struct csd_run_parameters) {.data = data, .data_bytes = CSD_DATA_BYTES + 1};
	CHECK_EQUAL(csd_instance_begin(instance, &parameters), -EINVAL);
	csd_instance_destroy(instance);
	csd_program_unload(program);
}

struct job {
	struct csd_instance *instance;
	uint64_t stop;
};

static void *
run_job(void *argument)
{
	struct job *job = argument;
	uint8_t input[64 * 100] = {0};

	for (int i = 0; i < 2000; i++) {
		struct csd_slice slice = {.region = input, .region_bytes = sizeof(input)};
		const struct counts *counts = csd_instance_state(job->instance);
		enum csd_slice_end end;

		csd_instance_begin(job->instance, &(struct csd_run_parameters) {.cparam1 = job->stop, .cparam2 = job->stop});
		end = csd_instance_run(job->instance, &slice);
		CHECK_EQUAL(end, CSD_SLICE_STOPPED);
		CHECK_EQUAL(counts->records, job->stop);
		CHECK_EQUAL(counts->cparam2, job->stop);
	}
	return NULL;
}

static void
test_threads(bool interpret)
{
	struct csd_program *program = LOAD_PROGRAM(counting, .interpret = interpret, .state_bytes = 32, .emit = CSD_EMIT_NOTHING);
	struct job jobs[4];
	pthread_t threads[4];

	for (int i = 0; i < 4; i++) {
		jobs[i] = (struct job) {.instance = csd_instance_create(program), .stop = 10 + i};
		CHECK_EQUAL(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		csd_instance_destroy(jobs[i].instance);
	}
	csd_program_unload(program);
}

/* Arithmetic that a JIT can get wrong: each result against the C compiler's. */
static void
test_calculation(bool interpret)
{
	const struct csd_insn insns[] = {
		LOAD(BPF_DW, 2, 1, 0), LOAD(BPF_DW, 3, 1, 8), STATE_AT(9, 0),
		MOVR(4, 2), ALUR(BPF_MUL, 4, 3), STORE(BPF_DW, 9, 0, 4),
		MOVR(4, 2), ALUR(BPF_LSH, 4, 3), STORE(BPF_DW, 9, 8, 4),
		MOVR(4, 2), ALUR(BPF_ARSH, 4, 3), STORE(BPF_DW, 9, 16, 4),
		MOVR(4, 2), INSN(BPF_ALU | BPF_RSH | BPF_X, 4, 3, 0, 0), STORE(BPF_DW, 9, 24, 4),
		MOV(4, 0), IF(BPF_JEQ, 3, 0, 2), MOVR(4, 2), ALUR(BPF_DIV, 4, 3), STORE(BPF_DW, 9, 32, 4),
		MOV(4, 0), IF(BPF_JEQ, 3, 0, 2), MOVR(4, 2), ALUR(BPF_MOD, 4, 3), STORE(BPF_DW, 9, 40, 4),
		MOVR(4, 2), ALU(BPF_DIV, 4, -7), STORE(BPF_DW, 9, 48, 4),
		MOVR(4, 2), INSN(BPF_ALU | BPF_MOD | BPF_K, 4, 0, 0, -7), STORE(BPF_DW, 9, 56, 4),
		MOVR(4, 2), INSN(BPF_ALU | BPF_NEG, 4, 0, 0, 0), STORE(BPF_DW, 9, 64, 4),
		MOVR(4, 2), INSN(BPF_ALU | BPF_END | BPF_X, 4, 0, 0, 16), STORE(BPF_DW, 9, 72, 4),
		MOVR(4, 2), INSN(BPF_ALU | BPF_END | BPF_X, 4, 0, 0, 32), STORE(BPF_DW, 9, 80, 4),
		MOVR(4, 2), INSN(BPF_ALU | BPF_END | BPF_X, 4, 0, 0, 64), STORE(BPF_DW, 9, 88, 4),
		MOVR(4, 2), INSN(BPF_ALU | BPF_ADD | BPF_X, 4, 3, 0, 0), STORE(BPF_DW, 9, 96, 4),
		MOV(0, 0), EXIT,
	};
	struct csd_program *program = LOAD_PROGRAM(insns, .interpret = interpret, .record_bytes = 16, .state_bytes = 104,
						   .emit = CSD_EMIT_NOTHING);
	struct csd_instance *instance = begin(program, &(struct csd_run_parameters) {0});
	static const uint64_t values[] = {0, 1, 2, 7, 63, 64, 65, UINT32_MAX, 1ULL << 32, INT64_MAX, 1ULL << 63, UINT64_MAX,
					  0x123456789abcdef0};

	for (size_t i = 0; i < COUNT(values) * COUNT(values); i++) {
		uint64_t record[2] = {values[i / COUNT(values)], values[i % COUNT(values)]};
		uint64_t a = record[0], b = record[1];
		const uint64_t *found = csd_instance_state(instance);
		const uint64_t wanted[] = {
			a * b, a << (b & 63), (int64_t)a >> (b & 63), (uint32_t)a >> (b & 31), b ? a / b : 0, b ? a % b : 0,
			a / -7ULL, (uint32_t)a % (uint32_t)-7, (uint32_t)-a, __builtin_bswap16(a), __builtin_bswap32(a),
			__builtin_bswap64(a), (uint32_t)(a + b),
		};
		struct csd_slice slice = {.region = (uint8_t *)record, .region_bytes = 16};

		csd_instance_run(instance, &slice);
		for (size_t k = 0; k < COUNT(wanted); k++) {
			CHECK(found[k] == wanted[k], "result %zu of %#llx and %#llx is %#llx, not %#llx", k, (unsigned long long)a,
			      (unsigned long long)b, (unsigned long long)found[k], (unsigned long long)wanted[k]);
		}
	}
	csd_instance_destroy(instance);
	csd_program_unload(program);
}

/* What clang makes: addresses and numbers through the stack, a masked index, jumps back without a loop. */
static void
test_accepted(bool interpret)
{
	const struct csd_insn spills[] = {
		STORE(BPF_DW, 10, -16, 1), LOAD(BPF_B, 2, 1, 0), STORE(BPF_DW, 10, -8, 2), LOAD(BPF_DW, 3, 10, -8),
		IF(BPF_JGT, 3, 200, 4), ALU(BPF_AND, 3, 63), LOAD(BPF_DW, 1, 10, -16), ALUR(BPF_ADD, 1, 3), JUMP(1), JUMP(3), LOAD(BPF_B, 0, 1, 0),
		ALU(BPF_AND, 0, 1), EXIT, MOV(0, 0), JUMP(-3),
	};
	const struct csd_insn halves[] = {
		STOREI(BPF_H, 10, -4, 0), STOREI(BPF_B, 10, -2, 0), STOREI(BPF_B, 10, -1, 0), STOREI(BPF_W, 10, -8, 1),
		LOAD(BPF_W, 0, 10, -8), EXIT,
	};
	const struct csd_insn whole_stack[] = {STOREI(BPF_DW, 10, -512, 1), LOAD(BPF_DW, 0, 10, -512), EXIT};
	const struct csd_insn ends[] = {LOAD(BPF_B, 0, 1, 63), LOAD(BPF_DW, 2, 1, 56), ALU(BPF_AND, 0, 1), EXIT};
	const struct {
		const struct csd_insn *insns;
		size_t count;
	} programs[] = {
		{spills, COUNT(spills)}, {halves, COUNT(halves)}, {whole_stack, COUNT(whole_stack)}, {ends, COUNT(ends)},
	};
	uint8_t input[64] = {[0] = 63, [63] = 1};

	for (size_t i = 0; i < COUNT(programs); i++) {
		struct csd_program *program = load(programs[i].insns, programs[i].count,
						   &(struct csd_load_options) {.interpret = interpret});
		struct csd_instance *instance = begin(program, &(struct csd_run_parameters) {0});
		struct result result = run(instance, input, 64, 64, 64);

		CHECK(result.matches == 1, "program %zu", i);
		free(result.out);
		csd_instance_destroy(instance);
		csd_program_unload(program);
	}
}

/*
 * A program that the JIT of librte_bpf 22.11 gets wrong: its first jump (marked ?) comes out 4 bytes short, because two
 * passes over its jumps had the same length. csd_jumps.c sees that, and it is interpreted.
 */
static void
test_miscompiled(void)
{
	static const char text[] = "1?11111?MM1MM11111=11M111111==M=?11==MMMMM?1M===?1=11MM1111M1MM11=11=11==";
	static const struct { int16_t offset; int32_t value; } jumps[] = {{26, 32}, {25, 73}, {24, 57}, {26, 76}, {24, 92}};
	struct csd_insn insns[sizeof(text) + 8] = {MOV(0, 0), LOAD(BPF_W, 2, 1, 0), MOV(6, 0)};
	struct csd_program *program, *interpreted;
	uint32_t records[10 * 16] = {0};
	size_t count = 3, next = 0;
	struct result a, b;

	for (const char *c = text; *c != '\0'; c++) {
		insns[count++] = *c == '?' ? (struct csd_insn) IF(BPF_JEQ, 2, jumps[next].value, jumps[next].offset) :
				 *c == '=' ? (struct csd_insn) MOVR(0, 2) : (struct csd_insn) ALU(BPF_ADD, 0, *c == '1' ? 1 : 100000);
		next += *c == '?';
	}
	insns[count++] = (struct csd_insn) ALU(BPF_AND, 0, 1);
	insns[count++] = (struct csd_insn) EXIT;
	for (size_t i = 0; i < 10; i++) {
		records[i * 16] = i < COUNT(jumps) ? (uint32_t)jumps[i].value : 0;
	}
	program = load(insns, count, &defaults);
	interpreted = load(insns, count, &(struct csd_load_options) {.interpret = true});
	for (int i = 0; i < 2; i++) {
		struct csd_instance *one = begin(program, &(struct csd_run_parameters) {0});
		struct csd_instance *other = begin(interpreted, &(struct csd_run_parameters) {0});

		a = run(one, (uint8_t *)records, sizeof(records), 1000, 1000);
		b = run(other, (uint8_t *)records, sizeof(records), 1000, 1000);
		CHECK_EQUAL(a.matches, b.matches);
		CHECK(memcmp(a.out, b.out, b.emitted_bytes) == 0, "%s", csd_program_info(program)->engine);
		free(a.out);
		free(b.out);
		csd_instance_destroy(one);
		csd_instance_destroy(other);
	}
	csd_program_unload(program);
	csd_program_unload(interpreted);
}

static uint64_t
mapped_bytes(void)
{
	unsigned long long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "r");

	CHECK(statm != NULL && fscanf(statm, "%llu", &pages) == 1, "/proc/self/statm");
	fclose(statm);
	return pages * 4096;
}

/* What malloc gave, LeakSanitizer looks after; what was mapped, this. */
static void
test_leaks(void)
{
	const struct csd_insn bad[] = {MOVR(0, 1), EXIT};
	uint64_t before = 0;

	for (int i = 0; i < 400; i++) {
		struct csd_program *program = LOAD_PROGRAM(counting, .state_bytes = 4096);
		struct csd_instance *a = csd_instance_create(program), *b = csd_instance_create(program);

		csd_instance_destroy(b);
		csd_instance_destroy(a);
		csd_program_unload(program);
		csd_program_unload(LOAD_PROGRAM(counting, .interpret = true, .state_bytes = 32));
		CHECK_EQUAL(csd_program_load(bad, sizeof(bad), &defaults, &program, reason), -EINVAL);
		if (i == 100) {
			before = mapped_bytes();
		}
	}
	CHECK(mapped_bytes() <= before + (1 << 20), "%llu bytes more are mapped", (unsigned long long)(mapped_bytes() - before));
}

int
main(void)
{
	test_longest_way();
	test_bounds();
	test_writes();
	test_addresses();
	test_stack();
	test_registers();
	test_arithmetic();
	test_opcodes();
	test_flow();
	test_sizes();
	test_paths();
	for (int interpret = 0; interpret < 2; interpret++) {
		test_verdicts(interpret);
		test_room(interpret);
		test_geometries(interpret);
		test_state(interpret);
		test_threads(interpret);
		test_calculation(interpret);
		test_accepted(interpret);
	}
	test_miscompiled();
	test_leaks();
	printf("test_engine: passed\n");
	return 0;
}
