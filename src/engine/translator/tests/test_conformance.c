/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Every instruction of RFC 9669's base groups, with the numbers at which instructions go wrong: translated and compiled
 * it does what the interpreter does; and what the RFC says in so many words, both do.
 *
 *	test_conformance FOLDER NAME COMPILER
 */
#include "batch.h"
#include "csd_isa.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

static const uint64_t edges[] = {
	0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 65, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0x80000001,
	0xfffffffe, 0xffffffff, 0x100000000, 0x1ffffffff, 0x7fffffffffffffff, 0x8000000000000000, 0x8000000000000001, -1ULL, -2ULL,
	-8ULL, -0x8000ULL, -0x80000000ULL, 0xdeadbeef00000000, 0xdeadbeef00000001, 0xffffffff7fffffff, 0x123456789abcdef0,
};
/* Of immediates. */
static const int32_t immediates[] = {
	0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 65, 127, 128, 255, 0x7fff, 0x8000, 0xffff, INT32_MAX, INT32_MIN, INT32_MIN + 1, -1, -2,
	-8, -32768, 0x12345678,
};

static struct batch batch;
static uint64_t compared;

/* The numbers of a run lie in its buffer: operands in the first two words, from the third on what comes out. */
static void
compare(uint32_t number, uint64_t a, uint64_t b, uint64_t c)
{
	struct batch_run run = {.arguments = {0, 2, 3, 4, 5}};
	uint64_t words[3] = {a, b, c};

	for (size_t i = 0; i < sizeof(run.buffer); i++) {
		run.buffer[i] = i * 0x3b + 0x81;
	}
	memcpy(run.buffer, words, sizeof(words));
	CHECK(batch_compare(&batch, number, &run), "operands %#lx, %#lx, %#lx", a, b, c);
	compared++;
}

/*
 * Which operands are loaded in 32 bits: 1 is r2, 2 is r3. The translator does otherwise where it knows that an upper half is
 * zero.
 */
static uint32_t narrow;

/* r2, r3, r0 = operands; the instructions; r2, r3, r0 into memory. */
static uint32_t
add(const struct csd_insn *middle, uint32_t count)
{
	static const struct csd_insn head[] = {
		LOAD(BPF_DW, 2, 1, 0), LOAD(BPF_DW, 3, 1, 8), LOAD(BPF_DW, 0, 1, 16), MOVR(6, 1),
	};
	static const struct csd_insn tail[] = {
		STORE(BPF_DW, 6, 32, 2), STORE(BPF_DW, 6, 40, 3), STORE(BPF_DW, 6, 48, 0), EXIT,
	};
	struct csd_insn insns[64];
	uint32_t begin = 0;

	CHECK(count + COUNT(head) + COUNT(tail) <= COUNT(insns), "%u instructions", count);
	memcpy(insns, head, sizeof(head));
	for (uint32_t i = 0; i < 2; i++) {
		if (narrow >> i & 1) {
			insns[i].code = BPF_LDX | BPF_MEM | BPF_W;
		}
	}
	memcpy(insns + COUNT(head), middle, count * sizeof(*middle));
	memcpy(insns + COUNT(head) + count, tail, sizeof(tail));
	return batch_add(&batch, insns, COUNT(head) + count + COUNT(tail), &begin, 1, NULL, 0, 0);
}

/* --- what is compared, with which operands: filled first, compared once all is compiled --- */

enum operands {TWO, ONE, MEMORY};
static struct {
	uint32_t number;
	enum operands operands;
} *plans;
static uint32_t planned;

static void
plan(enum operands operands, const struct csd_insn *insns, uint32_t count)
{
	if (planned % 1024 == 0) {
		plans = realloc(plans, (planned + 1024) * sizeof(*plans));
	}
	plans[planned].number = add(insns, count);
	plans[planned++].operands = operands;
}

#define PLAN(operands, ...) do { \
	struct csd_insn planned_[] = {__VA_ARGS__}; \
	plan(operands, planned_, COUNT(planned_)); \
} while (0)

static void
plan_arithmetic(void)
{
	static const uint8_t operations[] = {
		BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR, BPF_AND, BPF_LSH, BPF_RSH, BPF_MOD, BPF_XOR, BPF_MOV, BPF_ARSH,
	};
	static const uint8_t classes[] = {BPF_ALU, BPF_ALU64};

	for (size_t c = 0; c < COUNT(classes); c++) {
		uint8_t class = classes[c];

		for (size_t o = 0; o < COUNT(operations); o++) {
			bool divides = operations[o] == BPF_DIV || operations[o] == BPF_MOD;

			for (int16_t is_signed = 0; is_signed <= divides; is_signed++) {
				PLAN(TWO, INSN(class | operations[o] | BPF_X, 2, 3, is_signed, 0));
				PLAN(ONE, INSN(class | operations[o] | BPF_X, 2, 2, is_signed, 0));
				for (size_t i = 0; !(narrow & 2) && i < COUNT(immediates); i += narrow != 0 ? 3 : 1) {
					PLAN(ONE, INSN(class | operations[o] | BPF_K, 2, 0, is_signed, immediates[i]));
				}
			}
		}
		PLAN(ONE, INSN(class | BPF_NEG, 2, 0, 0, 0));
		for (int16_t bits = 8; bits <= (class == BPF_ALU64 ? 32 : 16); bits *= 2) {
			PLAN(TWO, INSN(class | BPF_MOV | BPF_X, 2, 3, bits, 0));
			PLAN(ONE, INSN(class | BPF_MOV | BPF_X, 2, 2, bits, 0));
		}
	}
	for (int32_t bits = 16; bits <= 64; bits *= 2) {
		PLAN(ONE, INSN(BPF_ALU | BPF_END | BPF_TO_LE, 2, 0, 0, bits));
		PLAN(ONE, INSN(BPF_ALU | BPF_END | BPF_TO_BE, 2, 0, 0, bits));
		PLAN(ONE, INSN(BPF_ALU64 | BPF_END, 2, 0, 0, bits));
	}
	for (size_t i = 0; i < COUNT(edges); i++) {
		PLAN(ONE, LD64(2, (int32_t)edges[i], (int32_t)(edges[i] >> 32)));
	}
}

static void
plan_jumps(void)
{
	static const uint8_t relations[] = {
		BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET, BPF_JNE, BPF_JSGT, BPF_JSGE, BPF_JLT, BPF_JLE, BPF_JSLT, BPF_JSLE,
	};
	static const uint8_t classes[] = {BPF_JMP, BPF_JMP32};

	for (size_t c = 0; c < COUNT(classes); c++) {
		for (size_t r = 0; r < COUNT(relations); r++) {
			PLAN(TWO, MOV(0, 1), INSN(classes[c] | relations[r] | BPF_X, 2, 3, 1, 0), MOV(0, 2));
			PLAN(ONE, MOV(0, 1), INSN(classes[c] | relations[r] | BPF_X, 2, 2, 1, 0), MOV(0, 2));
			for (size_t i = 0; !(narrow & 2) && i < COUNT(immediates); i += narrow != 0 ? 3 : 1) {
				PLAN(ONE, MOV(0, 1), INSN(classes[c] | relations[r] | BPF_K, 2, 0, 1, immediates[i]), MOV(0, 2));
			}
		}
	}
	/* Over one instruction, over none, and back and forth; by offset and by immediate. */
	PLAN(ONE, JUMP(1), MOV(2, 9), JUMP(0), MOV(3, 9));
	PLAN(ONE, INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, 1), MOV(2, 9), INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, 0), MOV(3, 9));
	PLAN(ONE, JUMP(2), MOV(2, 9), JUMP(2), JUMP(-3), MOV(3, 9), MOV(0, 7));
	PLAN(ONE, INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, 2), MOV(2, 9), JUMP(2), INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, -3), MOV(3, 9));
	/* A loop: r0 = 1 + 2 + ... */
	PLAN(ONE, ALU(BPF_AND, 2, 255), MOV(0, 0), IF(BPF_JEQ, 2, 0, 3), ALUR(BPF_ADD, 0, 2), ALU(BPF_SUB, 2, 1), JUMP(-4));
}

static void
plan_memory(void)
{
	static const uint8_t sizes[] = {BPF_B, BPF_H, BPF_W, BPF_DW};

	for (size_t s = 0; s < COUNT(sizes); s++) {
		/* All ways in which it is not aligned; to both sides of the base; in the buffer and in the frame. */
		for (int16_t off = -9; off <= 9; off++) {
			PLAN(MEMORY, ALU(BPF_ADD, 6, 100), LOAD(sizes[s], 2, 6, off), ALU(BPF_SUB, 6, 100));
			PLAN(MEMORY, ALU(BPF_ADD, 6, 100), STORE(sizes[s], 6, off, 2), ALU(BPF_SUB, 6, 100));
			PLAN(MEMORY, STORE(sizes[s], 10, off - 300, 2), LOAD(BPF_DW, 0, 10, -304), LOAD(sizes[s], 2, 10, off - 300));
			if (sizes[s] != BPF_DW) {
				PLAN(MEMORY, ALU(BPF_ADD, 6, 100), INSN(BPF_LDX | BPF_MEMSX | sizes[s], 2, 6, off, 0),
				     ALU(BPF_SUB, 6, 100));
				PLAN(MEMORY, STORE(BPF_DW, 10, off - 300, 2), INSN(BPF_LDX | BPF_MEMSX | sizes[s], 3, 10, off - 300, 0));
			}
		}
		for (size_t i = 0; i < COUNT(immediates); i++) {
			PLAN(MEMORY, STOREI(sizes[s], 6, 101, immediates[i]), STOREI(sizes[s], 10, -11, immediates[i]),
			     LOAD(BPF_DW, 0, 10, -14));
		}
		/* The same register as base and destination; both ends of the frame. */
		PLAN(MEMORY, MOVR(2, 6), LOAD(sizes[s], 2, 2, 3));
		PLAN(MEMORY, STORE(sizes[s], 10, -512, 2), MOVR(3, 10), ALU(BPF_ADD, 3, -512), LOAD(BPF_DW, 0, 3, 0), MOV(3, 0));
		PLAN(MEMORY, STORE(BPF_B, 10, -1, 2), LOAD(sizes[s], 0, 10, -8));
	}
	/* An address that a number of 64 bits moves, wrapping. */
	PLAN(MEMORY, MOVR(3, 6), LD64(0, -1, -1), ALUR(BPF_SUB, 3, 0), LOAD(BPF_DW, 2, 3, 7), MOV(3, 0));
}

static void
plan_atomics(void)
{
	static const int32_t operations[] = {
		BPF_ADD, BPF_OR, BPF_AND, BPF_XOR, BPF_ADD | BPF_FETCH, BPF_OR | BPF_FETCH, BPF_AND | BPF_FETCH, BPF_XOR | BPF_FETCH,
		BPF_XCHG, BPF_CMPXCHG,
	};
	static const uint8_t sizes[] = {BPF_W, BPF_DW};

	for (size_t s = 0; s < COUNT(sizes); s++) {
		for (size_t o = 0; o < COUNT(operations); o++) {
			uint8_t code = BPF_STX | BPF_ATOMIC | sizes[s];
			uint8_t joins = operations[o] < BPF_XCHG ? operations[o] & 0xf0 : BPF_ADD;

			/* r2 in memory, r3 as source, r0 as what is expected: another word, or the one that is there. */
			PLAN(TWO, STORE(BPF_DW, 6, 64, 2), INSN(code, 6, 3, 64, operations[o]));
			PLAN(TWO, STORE(BPF_DW, 6, 64, 2), MOVR(0, 2), INSN(code, 6, 3, 64, operations[o]));
			/* Equal in the lower half alone. */
			PLAN(TWO, STORE(BPF_DW, 6, 64, 2), MOVR32(0, 2), INSN(code, 6, 3, 64, operations[o]));
			PLAN(TWO, STORE(BPF_DW, 10, -64, 2), INSN(code, 10, 3, -64, operations[o]), LOAD(BPF_DW, 2, 10, -64));
			/* The old value joined with the operand, on one of two ways: compilers take both for one operation. */
			PLAN(TWO, STORE(BPF_DW, 6, 64, 2), MOVR(0, 3), IF(BPF_JEQ, 2, 7, 2), INSN(code, 6, 0, 64, operations[o]),
			     INSN((sizes[s] == BPF_W ? BPF_ALU : BPF_ALU64) | joins | BPF_X, 3, 0, 0, 0),
			     MOV(0, 0));
			PLAN(ONE, STORE(BPF_DW, 6, 64, 2), INSN(code, 6, 2, 64, operations[o]));
			PLAN(ONE, STORE(BPF_DW, 6, 64, 2), INSN(code, 6, 0, 64, operations[o]));
			/* Not aligned, for both or for 8 bytes: a fault. */
			for (int16_t off = 65; off < 72; off++) {
				PLAN(MEMORY, INSN(code, 6, 3, off, operations[o]));
			}
		}
	}
}

/* Several functions; r6 to r9 and the frames are each function's own, r1 to r5 and r0 go over. */
static uint32_t
add_calls(void)
{
	static const struct csd_insn insns[] = {
		/* 0: f(x) with x in r2 */
		MOVR(6, 1), MOV(7, 7), MOV(8, 8), MOV(9, 9), LOAD(BPF_DW, 2, 1, 0), STORE(BPF_DW, 10, -8, 2), MOVR(1, 10),
		ALU(BPF_ADD, 1, -8), MOV(3, 3), MOV(4, 4), MOV(5, 5),
		INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 0, 8),
		LOAD(BPF_DW, 1, 10, -8), STORE(BPF_DW, 6, 32, 0), STORE(BPF_DW, 6, 40, 1), STORE(BPF_DW, 6, 48, 7),
		STORE(BPF_DW, 6, 56, 8), STORE(BPF_DW, 6, 64, 9), MOV(0, 0), EXIT,
		/* 20: adds up, changes the caller's frame through r1, calls the next one twice */
		MOVR(6, 1), MOVR(7, 2), MOV(8, 80), MOV(9, 90), LOAD(BPF_DW, 0, 1, 0), ALUR(BPF_ADD, 0, 3), ALUR(BPF_ADD, 0, 4),
		ALUR(BPF_ADD, 0, 5), STORE(BPF_DW, 1, 0, 0), STOREI(BPF_DW, 10, -8, -77), MOVR(1, 0),
		INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 0, 7), MOVR(1, 0),
		INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 0, 5), ALUR(BPF_ADD, 0, 8), ALUR(BPF_ADD, 0, 7), LOAD(BPF_DW, 1, 10, -8),
		ALUR(BPF_ADD, 0, 1), EXIT,
		/* 39: its frame is its own and begins as zeros */
		LOAD(BPF_DW, 0, 10, -8), ALUR(BPF_ADD, 0, 1), ALU(BPF_MUL, 0, 3), STORE(BPF_DW, 10, -8, 0), MOV(6, 1), MOV(7, 1),
		MOV(8, 1), MOV(9, 1), EXIT,
	};
	static const uint32_t begins[] = {0, 20, 39};

	return batch_add(&batch, insns, COUNT(insns), begins, COUNT(begins), NULL, 0, 0);
}

/* Recursion: the sum of the numbers up to the first operand's lowest three bits. */
static uint32_t
add_recursion(void)
{
	static const struct csd_insn insns[] = {
		LOAD(BPF_DW, 2, 1, 0), ALU(BPF_AND, 2, 7), MOVR(1, 2), INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 0, 1), EXIT,
		MOV(0, 0), IF(BPF_JEQ, 1, 0, 5), STORE(BPF_DW, 10, -8, 1), ALU(BPF_SUB, 1, 1),
		INSN(BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 0, -5), LOAD(BPF_DW, 1, 10, -8), ALUR(BPF_ADD, 0, 1), EXIT,
	};
	static const uint32_t begins[] = {0, 5};

	return batch_add(&batch, insns, COUNT(insns), begins, COUNT(begins), NULL, 0, 0);
}

/* --- what the RFC says in so many words --- */

struct said {
	struct csd_insn insn;
	uint64_t a, b;		/* r2, r3 */
	uint64_t result;	/* r2 */
};

#define A(class, op, src, off, imm)	INSN((class) | (op) | ((src) == 3 ? BPF_X : BPF_K), 2, src, off, imm)
static const struct said said[] = {
	/* 4.1: wraps; 32-bit operations zero the upper half */
	{A(BPF_ALU64, BPF_ADD, 3, 0, 0), -1ULL, 1, 0},
	{A(BPF_ALU, BPF_ADD, 3, 0, 0), 0xffffffffffffffff, 1, 0},
	{A(BPF_ALU, BPF_ADD, 0, 0, -1), 0xffffffff00000000, 0, 0xffffffff},
	{A(BPF_ALU64, BPF_MOV, 0, 0, -1), 0, 0, -1ULL},
	{A(BPF_ALU, BPF_MOV, 0, 0, -1), 0, 0, 0xffffffff},
	{A(BPF_ALU, BPF_XOR, 0, 0, -1), 0xff, 0, 0xffffff00},
	{A(BPF_ALU64, BPF_XOR, 0, 0, -1), 0xff, 0, 0xffffffffffffff00},
	/* by zero */
	{A(BPF_ALU64, BPF_DIV, 3, 0, 0), 5, 0, 0},
	{A(BPF_ALU64, BPF_DIV, 3, 1, 0), 5, 0, 0},
	{A(BPF_ALU, BPF_DIV, 3, 0, 0), 5, 0x100000000, 0},
	{A(BPF_ALU64, BPF_MOD, 3, 0, 0), 0xf00000005, 0, 0xf00000005},
	{A(BPF_ALU64, BPF_MOD, 3, 1, 0), 0xf00000005, 0, 0xf00000005},
	{A(BPF_ALU, BPF_MOD, 3, 0, 0), 0xf00000005, 0, 5},
	{A(BPF_ALU, BPF_MOD, 3, 1, 0), 0xf00000005, 0, 5},
	/* the least number by -1 */
	{A(BPF_ALU64, BPF_DIV, 3, 1, 0), 1ULL << 63, -1ULL, 1ULL << 63},
	{A(BPF_ALU64, BPF_MOD, 3, 1, 0), 1ULL << 63, -1ULL, 0},
	{A(BPF_ALU, BPF_DIV, 3, 1, 0), 0x80000000, -1ULL, 0x80000000},
	{A(BPF_ALU, BPF_MOD, 3, 1, 0), 0x80000000, -1ULL, 0},
	/* immediates: to 64 bits by sign; truncated, as in C */
	{A(BPF_ALU64, BPF_DIV, 0, 0, -1), -1ULL, 0, 1},
	{A(BPF_ALU64, BPF_DIV, 0, 0, -1), 0xffffffff, 0, 0},
	{A(BPF_ALU, BPF_DIV, 0, 0, -1), 0xffffffff, 0, 1},
	{A(BPF_ALU64, BPF_DIV, 0, 1, 2), -7ULL, 0, -3ULL},
	{A(BPF_ALU64, BPF_MOD, 0, 1, 3), -13ULL, 0, -1ULL},
	{A(BPF_ALU64, BPF_MOD, 0, 1, -3), 13, 0, 1},
	{A(BPF_ALU, BPF_MOD, 0, 1, 3), -13ULL, 0, 0xffffffff},
	/* shifts are masked */
	{A(BPF_ALU64, BPF_LSH, 3, 0, 0), 1, 65, 2},
	{A(BPF_ALU, BPF_LSH, 3, 0, 0), 1, 33, 2},
	{A(BPF_ALU64, BPF_RSH, 3, 0, 0), 1ULL << 63, 63, 1},
	{A(BPF_ALU64, BPF_ARSH, 3, 0, 0), 1ULL << 63, 63, -1ULL},
	{A(BPF_ALU, BPF_ARSH, 3, 0, 0), 0x80000000, 63, 0xffffffff},
	{A(BPF_ALU, BPF_ARSH, 3, 0, 0), 0x180000000, 0, 0x80000000},
	{A(BPF_ALU64, BPF_NEG, 0, 0, 0), 1ULL << 63, 0, 1ULL << 63},
	{A(BPF_ALU, BPF_NEG, 0, 0, 0), 1, 0, 0xffffffff},
	/* sign extension */
	{A(BPF_ALU64, BPF_MOV, 3, 8, 0), 0, 0x180, -128ULL},
	{A(BPF_ALU64, BPF_MOV, 3, 16, 0), 0, 0x18000, -32768ULL},
	{A(BPF_ALU64, BPF_MOV, 3, 32, 0), 0, 0x180000000, -0x80000000ULL},
	{A(BPF_ALU, BPF_MOV, 3, 8, 0), 0, 0x180, 0xffffff80},
	{A(BPF_ALU, BPF_MOV, 3, 16, 0), 0, 0x7fff, 0x7fff},
	/* 4.2: byte swaps */
	{INSN(BPF_ALU | BPF_END | BPF_TO_LE, 2, 0, 0, 16), 0x1122334455667788, 0, 0x7788},
	{INSN(BPF_ALU | BPF_END | BPF_TO_BE, 2, 0, 0, 16), 0x1122334455667788, 0, 0x8877},
	{INSN(BPF_ALU | BPF_END | BPF_TO_BE, 2, 0, 0, 32), 0x1122334455667788, 0, 0x88776655},
	{INSN(BPF_ALU | BPF_END | BPF_TO_BE, 2, 0, 0, 64), 0x1122334455667788, 0, 0x8877665544332211},
	{INSN(BPF_ALU64 | BPF_END, 2, 0, 0, 16), 0x1122334455667788, 0, 0x8877},
	{INSN(BPF_ALU64 | BPF_END, 2, 0, 0, 64), 0x1122334455667788, 0, 0x8877665544332211},
	/* 5.3, on the first operand in memory: the source gets what was there, zero-extended */
	{INSN(BPF_STX | BPF_ATOMIC | BPF_W, 6, 2, 8, BPF_ADD | BPF_FETCH), 1, 0xf00000005, 5},
	{INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 6, 2, 8, BPF_XCHG), 1, 0xf00000005, 0xf00000005},
	{INSN(BPF_STX | BPF_ATOMIC | BPF_W, 6, 2, 8, BPF_ADD), 0xf00000001, 5, 0xf00000001},
	/* 5.2 */
	{INSN(BPF_LDX | BPF_MEMSX | BPF_B, 2, 6, 8, 0), 0, 0x80, -128ULL},
	{INSN(BPF_LDX | BPF_MEMSX | BPF_W, 2, 6, 8, 0), 0, 0x80000000, -0x80000000ULL},
	{INSN(BPF_LDX | BPF_MEM | BPF_W, 2, 6, 8, 0), 0, -1ULL, 0xffffffff},
};

static void
check_said(uint32_t first)
{
	for (size_t i = 0; i < COUNT(said); i++) {
		struct batch_run run = {.arguments = {0}};
		uint64_t result;

		memcpy(run.buffer, &said[i].a, 8);
		memcpy(run.buffer + 8, &said[i].b, 8);
		CHECK(batch_compare(&batch, first + i, &run), "said %zu", i);
		memcpy(&result, run.buffer + 32, 8);
		CHECK(!run.fault && result == said[i].result, "said %zu: opcode %02xh gives %#lx, not %#lx", i, said[i].insn.code, result,
		      said[i].result);
	}
}

static void
compare_planned(uint32_t number, enum operands operands)
{
	for (size_t i = 0; i < COUNT(edges); i++) {
		if (operands == ONE) {
			compare(number, edges[i], ~edges[i], 0x1111111111111111 * (i % 16));
		}
		if (operands == MEMORY && i % 4 == 0) {
			compare(number, edges[i], 1, 2);
		}
		for (size_t k = 0; operands == TWO && k < COUNT(edges); k++) {
			compare(number, edges[i], edges[k], edges[(i + k) % COUNT(edges)]);
		}
	}
}

int
main(int argc, char **argv)
{
	uint32_t first, calls, recursion;

	CHECK(argc == 4, "usage: test_conformance FOLDER NAME COMPILER");
	batch_begin(&batch, argv[3], argv[1], argv[2]);
	for (narrow = 0; narrow < 4; narrow++) {
		plan_arithmetic();
		plan_jumps();
	}
	narrow = 0;
	plan_memory();
	plan_atomics();
	calls = add_calls();
	recursion = add_recursion();
	first = batch.count;
	for (size_t i = 0; i < COUNT(said); i++) {
		add(&said[i].insn, 1);
	}
	batch_compile(&batch);
	for (uint32_t i = 0; i < planned; i++) {
		compare_planned(plans[i].number, plans[i].operands);
	}
	compare_planned(calls, ONE);
	compare_planned(recursion, ONE);
	check_said(first);
	printf("test_conformance (%s): %u programs, %lu runs passed\n", argv[2], batch.count, compared);
	batch_end(&batch);
	free(plans);
	return 0;
}
