/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Registers have roles, so that no address, which differs from run to run, becomes a number that a result depends on: r6 is
 * the buffer, r9 an address that is made anew before each use, r0 to r5, r7 and r8 are numbers. The frame from r10-64 up
 * has the counters of loops, below it lie numbers.
 */
#include "generate.h"
#include "chance.h"
#include "csd_isa.h"

#define NUMBERS		8
#define BUFFER		6
#define POINTER		9
#define COUNTERS	64	/* bytes at the upper end of the frame */
#define LENT		64	/* bytes of its frame that a function lends to those that it calls, from r10-512 on */
#define REACH		128	/* an index is masked to below this */

static const uint8_t numbers[NUMBERS] = {0, 1, 2, 3, 4, 5, 7, 8};
static const uint8_t sizes[] = {BPF_B, BPF_H, BPF_W, BPF_DW};

struct maker {
	struct generated *program;
	uint32_t function;
	uint32_t depth;		/* of blocks */
	uint32_t loops;		/* around this place */
	uint32_t counters;	/* of the frame that are in use */
	uint32_t limit;		/* instructions at which no more are begun */
	uint16_t busy;		/* registers that may not be written here */
	bool pointer_busy;	/* a loop over memory needs r9 */
};

static void
make(struct maker *maker, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	struct generated *program = maker->program;

	CHECK(program->count < GENERATE_INSNS, "program too long");
	program->insns[program->count++] = (struct csd_insn) {.code = code, .dst = dst, .src = src, .off = off, .imm = imm};
}

static void
make_wide(struct maker *maker, uint8_t dst, uint64_t value, enum csd_area area)
{
	maker->program->area[maker->program->count] = area;
	make(maker, CSD_LD_IMM64, dst, 0, 0, (int32_t)(uint32_t)value);
	make(maker, 0, 0, 0, 0, (int32_t)(uint32_t)(value >> 32));
}

static uint8_t
any_number(void)
{
	return numbers[below(NUMBERS)];
}

/* One that may be written. */
static uint8_t
free_number(const struct maker *maker)
{
	uint8_t found;

	do {
		found = any_number();
	} while (maker->busy >> found & 1);
	return found;
}

static void
make_value(struct maker *maker, uint8_t dst)
{
	if (below(4) == 0) {
		make_wide(maker, dst, chance_number(), CSD_AREA_NONE);
	} else {
		make(maker, (below(4) == 0 ? BPF_ALU : BPF_ALU64) | BPF_MOV | BPF_K, dst, 0, 0, (int32_t)chance_number());
	}
}

static void
make_arithmetic(struct maker *maker)
{
	static const uint8_t operations[] = {
		BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR, BPF_AND, BPF_LSH, BPF_RSH, BPF_MOD, BPF_XOR, BPF_MOV, BPF_ARSH,
		BPF_NEG, BPF_END,
	};
	uint8_t operation = operations[below(sizeof(operations))], class = below(2) ? BPF_ALU : BPF_ALU64;
	uint8_t dst = free_number(maker), src = any_number();
	int16_t off = 0;

	if (operation == BPF_NEG) {
		make(maker, class | BPF_NEG, dst, 0, 0, 0);
		return;
	}
	if (operation == BPF_END) {
		make(maker, class | BPF_END | (class == BPF_ALU && below(2) ? BPF_TO_BE : 0), dst, 0, 0, 16 << below(3));
		return;
	}
	if (operation == BPF_DIV || operation == BPF_MOD) {
		off = below(2);
	}
	if (below(2)) {
		make(maker, class | operation | BPF_K, dst, 0, off, (int32_t)chance_number());
		return;
	}
	if (operation == BPF_MOV && below(2)) {
		off = 8 << below(class == BPF_ALU ? 2 : 3);
	}
	make(maker, class | operation | BPF_X, dst, src, off, 0);
}

/* A place in memory: a base register, and an offset at which so many bytes are this function's. */
struct place {
	uint8_t base;
	int16_t off;
	bool read_only;
};

static struct place
any_place(struct maker *maker, uint32_t bytes)
{
	struct place place = {.base = BUFFER, .off = below(BATCH_BUFFER - bytes + 1)};
	uint8_t index = any_number();

	switch (below(maker->pointer_busy ? 2 : 6)) {
	case 0:
		break;
	case 1:
		place = (struct place) {.base = 10, .off = -512 + (int16_t)below(512 - COUNTERS - bytes + 1)};
		break;
	case 2:		/* by an index */
	case 3:
		make(maker, BPF_ALU64 | BPF_MOV | BPF_X, POINTER, index, 0, 0);
		make(maker, (below(2) ? BPF_ALU : BPF_ALU64) | BPF_AND | BPF_K, POINTER, 0, 0, REACH - 1);
		if (below(3) == 0) {
			make(maker, BPF_ALU64 | BPF_ADD | BPF_X, POINTER, 10, 0, 0);
			place = (struct place) {.base = POINTER, .off = -512 + (int16_t)below(512 - COUNTERS - REACH - bytes + 1)};
		} else {
			make(maker, BPF_ALU64 | BPF_ADD | BPF_X, POINTER, BUFFER, 0, 0);
			place = (struct place) {.base = POINTER, .off = below(BATCH_BUFFER - REACH - bytes + 1)};
		}
		break;
	case 4: {
		uint32_t begin = below(GENERATE_GLOBALS + 1);

		make_wide(maker, POINTER, begin, CSD_AREA_GLOBALS);
		place = (struct place) {.base = POINTER, .off = (int16_t)below(GENERATE_GLOBALS - bytes + 1) - (int16_t)begin};
		break;
	}
	default:
		make_wide(maker, POINTER, 8, CSD_AREA_CONSTANTS);
		place = (struct place) {POINTER, (int16_t)below(GENERATE_CONSTANTS - bytes + 1) - 8, true};
		break;
	}
	return place;
}

static void
make_memory(struct maker *maker)
{
	uint8_t size = sizes[below(4)];
	struct place place = any_place(maker, csd_size_bytes(size));

	switch (below(place.read_only ? 2 : 4)) {
	case 0:
		make(maker, BPF_LDX | BPF_MEM | size, free_number(maker), place.base, place.off, 0);
		break;
	case 1:
		make(maker, BPF_LDX | (size == BPF_DW ? BPF_MEM : BPF_MEMSX) | size, free_number(maker), place.base, place.off, 0);
		break;
	case 2:
		make(maker, BPF_ST | BPF_MEM | size, place.base, 0, place.off, (int32_t)chance_number());
		break;
	default:
		make(maker, BPF_STX | BPF_MEM | size, place.base, any_number(), place.off, 0);
		break;
	}
}

static void
make_atomic(struct maker *maker)
{
	static const int32_t operations[] = {
		BPF_ADD, BPF_OR, BPF_AND, BPF_XOR, BPF_ADD | BPF_FETCH, BPF_OR | BPF_FETCH, BPF_AND | BPF_FETCH, BPF_XOR | BPF_FETCH,
		BPF_XCHG, BPF_CMPXCHG,
	};
	int32_t operation = operations[below(sizeof(operations) / sizeof(operations[0]))];
	bool wide = below(2), frame = below(2);
	uint8_t src = operation & BPF_FETCH ? free_number(maker) : any_number();

	if (operation == BPF_CMPXCHG && (maker->busy & 1)) {
		return;
	}
	/* Aligned, and now and then not: which ends the program with a fault. */
	make(maker, BPF_STX | BPF_ATOMIC | (wide ? BPF_DW : BPF_W), frame ? 10 : BUFFER, src,
	     (frame ? -512 : 0) + (int16_t)below(40) * 8 + (below(50) == 0 ? 2 << below(2) : 0), operation);
}

/* --- blocks --- */

static void make_block(struct maker *maker, uint32_t items);

/* A condition whose jump is aimed later. */
static uint32_t
make_condition(struct maker *maker)
{
	static const uint8_t relations[] = {
		BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET, BPF_JNE, BPF_JSGT, BPF_JSGE, BPF_JLT, BPF_JLE, BPF_JSLT, BPF_JSLE,
	};
	uint8_t code = (below(2) ? BPF_JMP : BPF_JMP32) | relations[below(sizeof(relations))];

	if (below(2)) {
		make(maker, code | BPF_K, any_number(), 0, 0, (int32_t)chance_number());
	} else {
		make(maker, code | BPF_X, any_number(), any_number(), 0, 0);
	}
	return maker->program->count - 1;
}

/* Of either kind. */
static uint32_t
make_goto(struct maker *maker)
{
	make(maker, (below(2) ? BPF_JMP : BPF_JMP32) | BPF_JA, 0, 0, 0, 0);
	return maker->program->count - 1;
}

static void
aim(struct maker *maker, uint32_t jump, uint32_t target)
{
	struct csd_insn *insn = &maker->program->insns[jump];
	int32_t distance = (int32_t)target - (int32_t)jump - 1;

	if (insn->code == (BPF_JMP32 | BPF_JA)) {
		insn->imm = distance;
	} else {
		insn->off = distance;
	}
}

static void
make_if(struct maker *maker)
{
	uint32_t condition = make_condition(maker), over;

	make_block(maker, 1 + below(3));
	if (below(2)) {
		aim(maker, condition, maker->program->count);
		return;
	}
	over = make_goto(maker);
	aim(maker, condition, maker->program->count);
	make_block(maker, 1 + below(3));
	aim(maker, over, maker->program->count);
}

/* A fixed number of turns, counted in the frame; sometimes it ends earlier. */
static void
make_loop(struct maker *maker)
{
	int16_t counter = -8 * (int16_t)++maker->counters;
	uint32_t top, early = 0, end;
	uint8_t scratch;

	make(maker, BPF_ST | BPF_MEM | BPF_DW, 10, 0, counter, 1 + below(maker->loops > 0 ? 3 : 9));
	top = maker->program->count;
	maker->loops++;
	make_block(maker, 1 + below(4));
	maker->loops--;
	if (below(3) == 0) {
		early = make_condition(maker);
	}
	scratch = free_number(maker);
	make(maker, BPF_LDX | BPF_MEM | BPF_DW, scratch, 10, counter, 0);
	make(maker, BPF_ALU64 | BPF_ADD | BPF_K, scratch, 0, 0, -1);
	make(maker, BPF_STX | BPF_MEM | BPF_DW, 10, scratch, counter, 0);
	make(maker, BPF_JMP | BPF_JNE | BPF_K, scratch, 0, 0, 0);
	end = maker->program->count - 1;
	aim(maker, end, top);
	if (early != 0) {
		aim(maker, early, maker->program->count);
	}
	maker->counters--;
}

/* Over memory, one element after the other, as what a compiler makes vectors of. */
static void
make_sweep(struct maker *maker)
{
	uint8_t size = sizes[below(4)], turns = 1 + below(32), counter, element;
	uint32_t bytes = csd_size_bytes(size), top;
	uint16_t busy = maker->busy;

	if (maker->pointer_busy) {
		return;
	}
	counter = free_number(maker);
	maker->busy |= 1 << counter;
	element = free_number(maker);
	maker->pointer_busy = true;
	if (below(4) == 0) {
		make(maker, BPF_ALU64 | BPF_MOV | BPF_X, POINTER, 10, 0, 0);
		make(maker, BPF_ALU64 | BPF_ADD | BPF_K, POINTER, 0, 0, -512 + (int32_t)below(512 - COUNTERS - turns * bytes + 1));
	} else {
		make(maker, BPF_ALU64 | BPF_MOV | BPF_X, POINTER, BUFFER, 0, 0);
		make(maker, BPF_ALU64 | BPF_ADD | BPF_K, POINTER, 0, 0, below(BATCH_BUFFER - turns * bytes + 1));
	}
	make(maker, BPF_ALU64 | BPF_MOV | BPF_K, counter, 0, 0, turns);
	top = maker->program->count;
	maker->loops++;
	make(maker, BPF_LDX | (size != BPF_DW && below(2) ? BPF_MEMSX : BPF_MEM) | size, element, POINTER, 0, 0);
	for (uint64_t i = 1 + below(3); i > 0; i--) {
		make_arithmetic(maker);
	}
	if (below(3) == 0) {
		uint32_t condition = make_condition(maker);

		make_arithmetic(maker);
		aim(maker, condition, maker->program->count);
	}
	if (below(2)) {
		make(maker, BPF_STX | BPF_MEM | size, POINTER, any_number(), 0, 0);
	}
	maker->loops--;
	make(maker, BPF_ALU64 | BPF_ADD | BPF_K, POINTER, 0, 0, bytes);
	make(maker, BPF_ALU64 | BPF_SUB | BPF_K, counter, 0, 0, 1);
	make(maker, BPF_JMP | BPF_JNE | BPF_K, counter, 0, 0, 0);
	aim(maker, maker->program->count - 1, top);
	maker->busy = busy;
	maker->pointer_busy = false;
}

/* A function further on; r1 to r5 are rubbish afterwards, and get values. */
static void
make_call(struct maker *maker)
{
	struct generated *program = maker->program;

	if (maker->function + 1 >= program->functions || maker->busy != 0 || maker->loops > 1 || maker->function + maker->loops > 2) {
		return;
	}
	make(maker, BPF_ALU64 | BPF_MOV | BPF_X, 1, BUFFER, 0, 0);
	make(maker, BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0);
	make(maker, BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -512);
	program->calls[program->call_count] = program->count;
	program->called[program->call_count++] = maker->function + 1 + below(program->functions - maker->function - 1);
	make(maker, BPF_JMP | BPF_CALL, 0, CSD_CALL_LOCAL, 0, 0);
	for (uint8_t i = 1; i <= 5; i++) {
		make(maker, BPF_ALU64 | BPF_MOV | BPF_X, i, below(2) ? 0 : 7 + below(2), 0, 0);
	}
}

static void
make_item(struct maker *maker)
{
	uint64_t what = below(100);

	if (maker->program->count > maker->limit) {
		return;
	}
	maker->depth++;
	if (what < 45) {
		make_arithmetic(maker);
	} else if (what < 68) {
		make_memory(maker);
	} else if (what < 74) {
		make_atomic(maker);
	} else if (what < 78) {
		make_value(maker, free_number(maker));
	} else if (maker->depth > 3) {
		make_arithmetic(maker);
	} else if (what < 87) {
		make_if(maker);
	} else if (what < 91 && maker->loops < 3) {
		make_loop(maker);
	} else if (what < 96) {
		make_sweep(maker);
	} else {
		make_call(maker);
	}
	maker->depth--;
}

static void
make_block(struct maker *maker, uint32_t items)
{
	for (uint32_t i = 0; i < items; i++) {
		make_item(maker);
	}
}

static void
make_function(struct maker *maker, uint32_t items)
{
	make(maker, BPF_ALU64 | BPF_MOV | BPF_X, BUFFER, 1, 0, 0);
	if (maker->function > 0) {
		/* What the caller lent of its frame. */
		for (uint64_t i = below(3); i > 0; i--) {
			uint8_t size = sizes[below(4)];
			int16_t off = below(LENT - csd_size_bytes(size) + 1);

			if (below(2)) {
				make(maker, BPF_LDX | BPF_MEM | size, 3 + below(3), 2, off, 0);
			} else {
				make(maker, BPF_STX | BPF_MEM | size, 2, 3 + below(3), off, 0);
			}
		}
	}
	make_value(maker, 0);
	make_value(maker, 1);
	make(maker, BPF_ALU64 | BPF_MOV | BPF_X, 2, 3, 0, 0);
	make(maker, BPF_ALU64 | BPF_MOV | BPF_X, 7, 4, 0, 0);
	make_value(maker, 8);
	make_block(maker, items);
	/* What all numbers have become goes into the result, and out of the program also into the buffer. */
	for (uint32_t i = 1; i < NUMBERS; i++) {
		if (maker->function == 0) {
			make(maker, BPF_STX | BPF_MEM | BPF_DW, BUFFER, numbers[i], 8 * i, 0);
		} else {
			make(maker, BPF_ALU64 | (i % 2 ? BPF_ADD : BPF_XOR) | BPF_X, 0, numbers[i], 0, 0);
		}
	}
	make(maker, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void
generate(struct generated *program, uint64_t seed, uint64_t number)
{
	struct maker maker = {.program = program};

	memset(program, 0, sizeof(*program));
	chance_begin(seed, number);
	/* Three of four are short: what goes wrong, goes wrong in few instructions, and of short ones there can be many. */
	bool brief = number % 4 != 0;

	program->functions = brief || below(3) != 0 ? 1 : 2 + below(GENERATE_FUNCTIONS - 1);
	for (maker.function = 0; maker.function < program->functions; maker.function++) {
		program->begins[maker.function] = program->count;
		maker.limit = program->count + 80;
		make_function(&maker, 1 + below(brief ? 4 : 16));
	}
	for (uint32_t i = 0; i < program->call_count; i++) {
		program->insns[program->calls[i]].imm = (int32_t)program->begins[program->called[i]] - (int32_t)program->calls[i] - 1;
	}
}
