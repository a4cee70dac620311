/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "csd_check.h"
#include "csd_helper.h"
#include "csd_isa.h"

#define FRAME_BYTES	512

struct checker {
	const struct csd_object *object;
	const struct csd_function *function;	/* at hand */
	uint8_t *second;			/* of each instruction: it is the second half of an ld_imm64 */
	char *reason;
};

#define REFUSE(at, format, ...)	csd_object_refuse(checker->object, at, checker->reason, format, ##__VA_ARGS__)

/* Fields that an instruction does not use are zero, else it may be one that somebody defines later. */
enum {DST = 1, SRC = 2, OFF = 4, IMM = 8};

static int
check_unused(const struct checker *checker, uint32_t at, unsigned int used)
{
	const struct csd_insn *insn = &checker->object->insns[at];

	if (!(used & DST) && insn->dst != 0) {
		return REFUSE(at, "opcode %02xh has no destination register, and this says r%u", insn->code, insn->dst);
	}
	if (!(used & SRC) && insn->src != 0) {
		return REFUSE(at, "opcode %02xh has no source register, and this says r%u", insn->code, insn->src);
	}
	if (!(used & OFF) && insn->off != 0) {
		return REFUSE(at, "opcode %02xh has no offset, and this says %d", insn->code, insn->off);
	}
	if (!(used & IMM) && insn->imm != 0) {
		return REFUSE(at, "opcode %02xh has no immediate, and this says %d", insn->code, insn->imm);
	}
	return 0;
}

static int
check_unknown(const struct checker *checker, uint32_t at)
{
	return REFUSE(at, "opcode %02xh is none of RFC 9669's base groups", checker->object->insns[at].code);
}

static int
check_swap(const struct checker *checker, uint32_t at)
{
	const struct csd_insn *insn = &checker->object->insns[at];

	if (insn->imm != 16 && insn->imm != 32 && insn->imm != 64) {
		return REFUSE(at, "swaps bytes of %d bits: 16, 32 and 64 are possible", insn->imm);
	}
	/* Of ALU64 the source bit is reserved. */
	if (insn->code == (BPF_ALU64 | BPF_END | BPF_X)) {
		return check_unknown(checker, at);
	}
	return check_unused(checker, at, DST | IMM);
}

static int
check_arithmetic(const struct checker *checker, uint32_t at)
{
	const struct csd_insn *insn = &checker->object->insns[at];
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64, by_register = BPF_SRC(insn->code) == BPF_X;
	unsigned int used = DST | (by_register ? SRC : IMM);

	switch (BPF_OP(insn->code)) {
	case BPF_END:
		return check_swap(checker, at);
	case BPF_NEG:
		return by_register ? check_unknown(checker, at) : check_unused(checker, at, DST);
	case BPF_DIV:
	case BPF_MOD:
		if (insn->off != 0 && insn->off != CSD_SIGNED) {
			return REFUSE(at, "offset %d of a division: 0 is unsigned, 1 signed", insn->off);
		}
		return check_unused(checker, at, used | OFF);
	case BPF_MOV:
		if (insn->off == 0) {
			return check_unused(checker, at, used);
		}
		if (!by_register || (insn->off != 8 && insn->off != 16 && (insn->off != 32 || !wide))) {
			return REFUSE(at, "offset %d of a move: registers are extended from 8, 16 or, to 64, 32 bits", insn->off);
		}
		return check_unused(checker, at, used | OFF);
	case BPF_ADD: case BPF_SUB: case BPF_MUL: case BPF_OR: case BPF_AND: case BPF_LSH: case BPF_RSH: case BPF_XOR:
	case BPF_ARSH:
		return check_unused(checker, at, used);
	default:
		return check_unknown(checker, at);
	}
}

/* The place that a load or store addresses, where r10 itself does. */
static int
check_frame(const struct checker *checker, uint32_t at, uint8_t base)
{
	const struct csd_insn *insn = &checker->object->insns[at];
	int32_t bytes = csd_size_bytes(insn->code);

	if (base == CSD_FRAME_POINTER && (insn->off < -FRAME_BYTES || insn->off + bytes > 0)) {
		return REFUSE(at, "%d bytes at r10%+d: a function's frame is r10-%u to r10", bytes, insn->off, FRAME_BYTES);
	}
	return 0;
}

static int
check_atomic(const struct checker *checker, uint32_t at)
{
	const struct csd_insn *insn = &checker->object->insns[at];

	if (BPF_SIZE(insn->code) != BPF_W && BPF_SIZE(insn->code) != BPF_DW) {
		return REFUSE(at, "opcode %02xh: atomic operations have 4 or 8 bytes", insn->code);
	}
	switch (insn->imm) {
	case BPF_ADD: case BPF_ADD | BPF_FETCH: case BPF_OR: case BPF_OR | BPF_FETCH: case BPF_AND: case BPF_AND | BPF_FETCH:
	case BPF_XOR: case BPF_XOR | BPF_FETCH: case BPF_XCHG: case BPF_CMPXCHG:
		break;
	default:
		return REFUSE(at, "atomic operation %xh is none of RFC 9669's", (uint32_t)insn->imm);
	}
	if ((insn->imm & BPF_FETCH) && insn->imm != BPF_CMPXCHG && insn->src == CSD_FRAME_POINTER) {
		return REFUSE(at, "writes r10, which is read only");
	}
	return check_frame(checker, at, insn->dst);
}

static int
check_ld_imm64(const struct checker *checker, uint32_t at)
{
	const struct csd_insn *insn = &checker->object->insns[at];

	if (insn->src != 0) {
		return REFUSE(at, "64-bit immediate of kind %u: numbers (0) and relocated addresses are known", insn->src);
	}
	if (at + 1 >= checker->function->end) {
		return REFUSE(at, "the second half of a 64-bit immediate is missing");
	}
	if (insn[1].code != 0 || insn[1].dst != 0 || insn[1].src != 0 || insn[1].off != 0) {
		return REFUSE(at, "the second half of a 64-bit immediate has more than an immediate");
	}
	return check_unused(checker, at, DST | SRC | IMM);
}

static int
check_memory(const struct checker *checker, uint32_t at)
{
	const struct csd_insn *insn = &checker->object->insns[at];
	int rc;

	switch (BPF_CLASS(insn->code) | BPF_MODE(insn->code)) {
	case BPF_LD | BPF_IMM:
		return BPF_SIZE(insn->code) == BPF_DW ? check_ld_imm64(checker, at) : check_unknown(checker, at);
	case BPF_LD | BPF_ABS:
	case BPF_LD | BPF_IND:
		return REFUSE(at, "opcode %02xh is the old packet access, which there is not in a drive", insn->code);
	case BPF_LDX | BPF_MEMSX:
		if (BPF_SIZE(insn->code) == BPF_DW) {
			return check_unknown(checker, at);
		}
		/* fall through */
	case BPF_LDX | BPF_MEM:
		rc = check_unused(checker, at, DST | SRC | OFF);
		return rc != 0 ? rc : check_frame(checker, at, insn->src);
	case BPF_ST | BPF_MEM:
		rc = check_unused(checker, at, DST | OFF | IMM);
		return rc != 0 ? rc : check_frame(checker, at, insn->dst);
	case BPF_STX | BPF_MEM:
		rc = check_unused(checker, at, DST | SRC | OFF);
		return rc != 0 ? rc : check_frame(checker, at, insn->dst);
	case BPF_STX | BPF_ATOMIC:
		return check_atomic(checker, at);
	default:
		return check_unknown(checker, at);
	}
}

static int
check_helper(const struct checker *checker, uint32_t at)
{
	const struct csd_insn *insn = &checker->object->insns[at];
	const struct csd_geometry *geometry = &checker->object->geometry;

	if (csd_helper_numbered(insn->imm) == NULL) {
		return REFUSE(at, "calls helper %d: this drive has none of this number", insn->imm);
	}
	/* What the drive emits for a record and what the program does would come out mixed. */
	if (insn->imm == CSD_HELPER_EMIT && strcmp(checker->object->kind, "csd/record") == 0 &&
	    geometry->emit != CSD_EMIT_NOTHING) {
		return REFUSE(at, "calls csd_emit, while the drive emits for it (emit %u): CSD_EMIT_NOTHING lets the program do it",
			      geometry->emit);
	}
	return check_unused(checker, at, IMM);
}

static int
check_call(const struct checker *checker, uint32_t at)
{
	const struct csd_insn *insn = &checker->object->insns[at];
	int64_t target = (int64_t)at + 1 + insn->imm;
	const struct csd_function *callee;

	switch (insn->src) {
	case CSD_CALL_HELPER:
		return check_helper(checker, at);
	case CSD_CALL_LOCAL:
		break;
	case CSD_CALL_BTF:
		return REFUSE(at, "calls kernel function %d: there is no kernel in a drive", insn->imm);
	default:
		return REFUSE(at, "a call of kind %u: 1, of a local function, is known", insn->src);
	}
	callee = target < 0 || target >= checker->object->count ? NULL : csd_object_function(checker->object, target);
	if (callee == NULL || callee->begin != target) {
		return REFUSE(at, "calls %+lld instructions away, where no function begins", (long long)insn->imm + 1);
	}
	return check_unused(checker, at, SRC | IMM);
}

static int
check_jump(const struct checker *checker, uint32_t at)
{
	const struct csd_insn *insn = &checker->object->insns[at];
	bool wide = BPF_CLASS(insn->code) == BPF_JMP, by_register = BPF_SRC(insn->code) == BPF_X;

	switch (BPF_OP(insn->code)) {
	case BPF_JA:
		return by_register ? check_unknown(checker, at) : check_unused(checker, at, wide ? OFF : IMM);
	case BPF_CALL:
		return !wide || by_register ? check_unknown(checker, at) : check_call(checker, at);
	case BPF_EXIT:
		return !wide || by_register ? check_unknown(checker, at) : check_unused(checker, at, 0);
	case BPF_JEQ: case BPF_JGT: case BPF_JGE: case BPF_JSET: case BPF_JNE: case BPF_JSGT: case BPF_JSGE: case BPF_JLT:
	case BPF_JLE: case BPF_JSLT: case BPF_JSLE:
		return check_unused(checker, at, DST | OFF | (by_register ? SRC : IMM));
	default:
		return check_unknown(checker, at);
	}
}

/* Whether the destination register is written. */
static bool
check_writes_register(uint8_t code)
{
	return BPF_CLASS(code) == BPF_LD || BPF_CLASS(code) == BPF_LDX || BPF_CLASS(code) == BPF_ALU ||
	       BPF_CLASS(code) == BPF_ALU64;
}

static int
check_insn(const struct checker *checker, uint32_t at)
{
	const struct csd_insn *insn = &checker->object->insns[at];
	int rc;

	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		rc = check_arithmetic(checker, at);
		break;
	case BPF_JMP:
	case BPF_JMP32:
		rc = check_jump(checker, at);
		break;
	default:
		rc = check_memory(checker, at);
		break;
	}
	if (rc != 0) {
		return rc;
	}
	if (insn->dst > CSD_FRAME_POINTER || insn->src > CSD_FRAME_POINTER) {
		return REFUSE(at, "register r%u: r0 to r10 exist", insn->dst > CSD_FRAME_POINTER ? insn->dst : insn->src);
	}
	if (insn->dst == CSD_FRAME_POINTER && check_writes_register(insn->code)) {
		return REFUSE(at, "writes r10, which is read only");
	}
	return 0;
}

static int
check_flow(const struct checker *checker, uint32_t at)
{
	const struct csd_insn *insn = &checker->object->insns[at];
	bool jumps = csd_is_goto(insn->code) || csd_is_condition(insn->code);
	uint32_t next = at + (insn->code == CSD_LD_IMM64 ? 2 : 1);

	if (jumps) {
		int64_t target = csd_jump_target(insn, at);

		if (target < checker->function->begin || target >= checker->function->end) {
			return REFUSE(at, "jumps to instruction %lld, outside of its function",
				      (long long)(target - checker->function->section_begin));
		}
		if (checker->second[target]) {
			return REFUSE(at, "jumps into the second half of the 64-bit immediate before instruction %lld",
				      (long long)(target + 1 - checker->function->section_begin));
		}
	}
	if (next == checker->function->end && !csd_is_goto(insn->code) && insn->code != (BPF_JMP | BPF_EXIT)) {
		return REFUSE(at, "the function runs on behind its last instruction: it ends with exit or a jump");
	}
	return 0;
}

static int
check_function(struct checker *checker)
{
	const struct csd_insn *insns = checker->object->insns;
	uint32_t begin = checker->function->begin, end = checker->function->end;
	int rc = 0;

	for (uint32_t at = begin; rc == 0 && at < end; at++) {
		rc = check_insn(checker, at);
		if (rc == 0 && insns[at].code == CSD_LD_IMM64) {
			checker->second[++at] = 1;
		}
	}
	for (uint32_t at = begin; rc == 0 && at < end; at++) {
		rc = checker->second[at] ? 0 : check_flow(checker, at);
	}
	return rc;
}

int
csd_check(const struct csd_object *object, char reason[CSD_REASON_BYTES])
{
	struct checker checker = {.object = object, .reason = reason};
	int rc = 0;

	checker.second = calloc(object->count, 1);
	if (checker.second == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; rc == 0 && i < object->function_count; i++) {
		checker.function = &object->functions[i];
		rc = check_function(&checker);
	}
	free(checker.second);
	return rc;
}
