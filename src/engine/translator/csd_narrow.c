/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "csd_narrow.h"
#include "csd_isa.h"

/* r0 and r6 to r9 begin as zeros; arguments may be anything. */
#define ENTRY_NARROW	(1u << 0 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 9)
#define NOT_SEEN	0xffff

static bool
narrow_is(uint16_t narrow, uint8_t r)
{
	return narrow >> r & 1;
}

/* Of a 64-bit operation's result. What is not named may be wide. */
static bool
narrow_result(const struct csd_insn *insn, uint16_t narrow)
{
	bool by_register = BPF_SRC(insn->code) == BPF_X, dst = narrow_is(narrow, insn->dst);
	bool src = by_register ? narrow_is(narrow, insn->src) : insn->imm >= 0;

	switch (BPF_OP(insn->code)) {
	case BPF_MOV:
		return insn->off == 0 && src;
	case BPF_AND:
		return dst || src;
	case BPF_OR:
	case BPF_XOR:
		return dst && src;
	case BPF_RSH:
		return dst || (!by_register && (insn->imm & 63) >= 32);
	case BPF_DIV:
	case BPF_MOD:
		return insn->off == 0 && dst;
	case BPF_END:
		return insn->imm < 64;
	default:
		return false;
	}
}

static uint16_t
narrow_set(uint16_t narrow, uint8_t r, bool is_narrow)
{
	return is_narrow ? narrow | 1u << r : narrow & ~(1u << r);
}

static uint16_t
narrow_behind(const struct csd_object *object, uint32_t at, uint16_t narrow)
{
	const struct csd_insn *insn = &object->insns[at];

	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
		return narrow_set(narrow, insn->dst, BPF_OP(insn->code) != BPF_END || insn->imm < 64);
	case BPF_ALU64:
		return narrow_set(narrow, insn->dst, narrow_result(insn, narrow));
	case BPF_LD:
		return narrow_set(narrow, insn->dst, object->area[at] == CSD_AREA_NONE && insn[1].imm == 0);
	case BPF_LDX:
		return narrow_set(narrow, insn->dst, BPF_MODE(insn->code) == BPF_MEM && BPF_SIZE(insn->code) != BPF_DW);
	case BPF_STX:
		if (BPF_MODE(insn->code) != BPF_ATOMIC || !(insn->imm & BPF_FETCH)) {
			return narrow;
		}
		return narrow_set(narrow, insn->imm == BPF_CMPXCHG ? 0 : insn->src, BPF_SIZE(insn->code) == BPF_W);
	case BPF_JMP:
		return BPF_OP(insn->code) == BPF_CALL ? narrow_set(narrow, 0, false) : narrow;
	default:
		return narrow;
	}
}

struct narrow_walk {
	uint16_t *narrow;
	uint32_t *todo;		/* instructions of which more was learned */
	uint32_t count;
	uint8_t *waits;
};

/* What holds on all ways to an instruction. */
static void
narrow_meet(struct narrow_walk *walk, uint32_t begin, int64_t at, uint16_t narrow)
{
	uint16_t met = walk->narrow[at] & narrow;

	if (met == walk->narrow[at]) {
		return;
	}
	walk->narrow[at] = met;
	if (!walk->waits[at - begin]) {
		walk->waits[at - begin] = 1;
		walk->todo[walk->count++] = at;
	}
}

int
csd_narrow(const struct csd_object *object, const struct csd_function *function, uint16_t *narrow)
{
	uint32_t length = function->end - function->begin;
	struct narrow_walk walk = {
		.narrow = narrow, .todo = malloc(length * sizeof(uint32_t)), .waits = calloc(length, 1),
	};

	if (walk.todo == NULL || walk.waits == NULL) {
		free(walk.todo);
		free(walk.waits);
		return -ENOMEM;
	}
	for (uint32_t at = function->begin; at < function->end; at++) {
		narrow[at] = NOT_SEEN;
	}
	narrow_meet(&walk, function->begin, function->begin, ENTRY_NARROW);
	while (walk.count > 0) {
		uint32_t at = walk.todo[--walk.count];
		const struct csd_insn *insn = &object->insns[at];
		uint16_t behind = narrow_behind(object, at, narrow[at]);

		walk.waits[at - function->begin] = 0;
		if (csd_is_goto(insn->code) || csd_is_condition(insn->code)) {
			narrow_meet(&walk, function->begin, csd_jump_target(insn, at), behind);
		}
		if (!csd_is_goto(insn->code) && insn->code != (BPF_JMP | BPF_EXIT)) {
			narrow_meet(&walk, function->begin, at + (insn->code == CSD_LD_IMM64 ? 2 : 1), behind);
		}
	}
	free(walk.todo);
	free(walk.waits);
	return 0;
}
