/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The instructions of RFC 9669 as C. Arithmetic is done on unsigned numbers, which wrap, in 32 or 64 bits; shifts are
 * masked. So nothing depends on what C leaves undefined.
 *
 * Each register is two variables: r5, and w5, which always has r5's lower half. What computes in 32 bits takes and gives
 * w5, and so clears the upper half: r5 = w5 = ... What computes in 64 bits takes and gives r5: w5 = r5 = ... Where r5's
 * upper half is certainly zero, w5 is taken instead. A compiler drops the one that nobody asks for, sees a loop over
 * 32-bit numbers for what it is, and makes vectors of it.
 */
#include "csd_emit_insn.h"
#include "csd_helper.h"
#include "csd_isa.h"

static const char *const area_names[CSD_AREAS] = {
	[CSD_AREA_PARAMETERS] = "parameters",
	[CSD_AREA_STATE] = "state",
	[CSD_AREA_GLOBALS] = "globals",
	[CSD_AREA_CONSTANTS] = "constants",
};

const char *
csd_emit_area_name(enum csd_area area)
{
	return area_names[area];
}

/* The right operand, as text: a register or a constant of as many bits. */
struct operand {
	char text[32];
};

static struct operand
emit_insn_register_of(const struct csd_emitter *emitter, uint32_t at, uint8_t r, bool wide)
{
	struct operand operand;

	snprintf(operand.text, sizeof(operand.text), "%s%u", !wide ? "w" : emitter->narrow[at] >> r & 1 ? "(u64)w" : "r", r);
	return operand;
}

static struct operand
emit_insn_operand_of(const struct csd_emitter *emitter, uint32_t at, bool wide)
{
	const struct csd_insn *insn = &emitter->object->insns[at];
	struct operand operand;

	if (BPF_SRC(insn->code) == BPF_X) {
		return emit_insn_register_of(emitter, at, insn->src, wide);
	}
	if (wide) {
		snprintf(operand.text, sizeof(operand.text), "0x%llxULL", (unsigned long long)(int64_t)insn->imm);
	} else {
		snprintf(operand.text, sizeof(operand.text), "0x%xU", (uint32_t)insn->imm);
	}
	return operand;
}

/* "r5 = w5 = ", or the other way round. */
static void
emit_insn_result(FILE *out, uint8_t dst, bool wide)
{
	fprintf(out, "%c%u = %c%u = ", wide ? 'w' : 'r', dst, wide ? 'r' : 'w', dst);
}

/* --- arithmetic --- */

static void
emit_insn_move(FILE *out, const struct csd_insn *insn, bool wide, const char *right)
{
	if (insn->off == 0) {
		fprintf(out, "%s;\n", right);
	} else {
		fprintf(out, "(u%d)(s%d)w%u;\n", wide ? 64 : 32, insn->off, insn->src);
	}
}

static void
emit_insn_swap(FILE *out, const struct csd_insn *insn, const char *left)
{
	emit_insn_result(out, insn->dst, insn->imm == 64);
	/* To little endian: it is, and what is wider is cut off. */
	if (insn->code == (BPF_ALU | BPF_END | BPF_TO_LE)) {
		fprintf(out, "(u%d)%s;\n", insn->imm, left);
	} else {
		fprintf(out, "__builtin_bswap%d((u%d)%s);\n", insn->imm, insn->imm, left);
	}
}

static void
emit_insn_arithmetic(const struct csd_emitter *emitter, uint32_t at)
{
	static const char *const infix[16] = {
		[BPF_ADD >> 4] = "+", [BPF_SUB >> 4] = "-", [BPF_MUL >> 4] = "*", [BPF_OR >> 4] = "|", [BPF_AND >> 4] = "&",
		[BPF_XOR >> 4] = "^", [BPF_LSH >> 4] = "<<", [BPF_RSH >> 4] = ">>",
	};
	const struct csd_insn *insn = &emitter->object->insns[at];
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64;
	unsigned int bits = wide ? 64 : 32;
	struct operand left = emit_insn_register_of(emitter, at, insn->dst, wide);
	struct operand right = emit_insn_operand_of(emitter, at, wide);
	FILE *out = emitter->out;

	if (BPF_OP(insn->code) == BPF_END) {
		emit_insn_swap(out, insn, emit_insn_register_of(emitter, at, insn->dst, insn->imm == 64).text);
		return;
	}
	emit_insn_result(out, insn->dst, wide);
	switch (BPF_OP(insn->code)) {
	case BPF_MOV:
		emit_insn_move(out, insn, wide, right.text);
		break;
	case BPF_NEG:
		fprintf(out, "0 - %s;\n", left.text);
		break;
	case BPF_DIV:
	case BPF_MOD:
		fprintf(out, "csd_%s%s%u(%s, %s);\n", insn->off == CSD_SIGNED ? "s" : "",
			BPF_OP(insn->code) == BPF_DIV ? "div" : "mod", bits, left.text, right.text);
		break;
	case BPF_LSH:
	case BPF_RSH:
		fprintf(out, "%s %s (%s & %u);\n", left.text, infix[BPF_OP(insn->code) >> 4], right.text, bits - 1);
		break;
	case BPF_ARSH:
		fprintf(out, "(u%u)((s%u)%s >> (%s & %u));\n", bits, bits, left.text, right.text, bits - 1);
		break;
	default:
		fprintf(out, "%s %s %s;\n", left.text, infix[BPF_OP(insn->code) >> 4], right.text);
		break;
	}
}

/* --- memory --- */

struct address {
	char text[48];
};

/* In its frame a function's access is one of the array, as far as the compiler can see: it may live in registers. */
static struct address
emit_insn_address_of(uint8_t base, int16_t off)
{
	struct address address;

	if (base == CSD_FRAME_POINTER) {
		snprintf(address.text, sizeof(address.text), "((u8 *)frame + %d)", 512 + off);
	} else {
		snprintf(address.text, sizeof(address.text), "ADDRESS(r%u, %d)", base, off);
	}
	return address;
}

static void
emit_insn_atomic(FILE *out, const struct csd_insn *insn)
{
	unsigned int bits = csd_size_bytes(insn->code) * 8;
	const char *name = (insn->imm & ~BPF_FETCH) == BPF_ADD ? "add" : (insn->imm & ~BPF_FETCH) == BPF_OR ? "or" :
			   (insn->imm & ~BPF_FETCH) == BPF_AND ? "and" : "xor";
	bool wide = bits == 64;
	char name_of_source = wide ? 'r' : 'w', operands[64];

	snprintf(operands, sizeof(operands), "ADDRESS(r%u, %d), %c%u", insn->dst, insn->off, name_of_source, insn->src);
	if (insn->imm & BPF_FETCH) {
		emit_insn_result(out, insn->imm == BPF_CMPXCHG ? 0 : insn->src, wide);
	}
	switch (insn->imm) {
	case BPF_XCHG:
		fprintf(out, "CSD_ATOMIC(%u, exchange_n, %s);\n", bits, operands);
		break;
	case BPF_CMPXCHG:
		fprintf(out, "csd_compare_exchange%u(ADDRESS(r%u, %d), %c0, %c%u);\n", bits, insn->dst, insn->off, name_of_source,
			name_of_source, insn->src);
		break;
	case BPF_ADD | BPF_FETCH:
	case BPF_OR | BPF_FETCH:
	case BPF_AND | BPF_FETCH:
	case BPF_XOR | BPF_FETCH:
		fprintf(out, "csd_fetch_%s%u(%s);\n", name, bits, operands);
		break;
	default:
		fprintf(out, "CSD_ATOMIC(%u, fetch_%s, %s);\n", bits, name, operands);
		break;
	}
}

static void
emit_insn_ld_imm64(const struct csd_emitter *emitter, uint32_t at)
{
	const struct csd_object *object = emitter->object;
	FILE *out = emitter->out;
	const struct csd_insn *insn = &object->insns[at];
	enum csd_area area = object->area[at];

	emit_insn_result(out, insn->dst, true);
	if (area == CSD_AREA_NONE) {
		fprintf(out, "0x%llxULL;\n",
			(unsigned long long)((uint64_t)(uint32_t)insn[1].imm << 32 | (uint32_t)insn[0].imm));
	} else if (area == CSD_AREA_FUNCTION || area == CSD_AREA_MAP) {
		fprintf(out, "%uU;\n", (uint32_t)insn->imm);
	} else if (object->areas[area].length == 0) {
		/* There is nothing, so no byte of it either: an address that is nobody's. */
		fputs("0;\n", out);
	} else {
		fprintf(out, "(u64)csd_%u_%s + %uU;\n", emitter->id, csd_emit_area_name(area), (uint32_t)insn->imm);
	}
}

static void
emit_insn_memory(const struct csd_emitter *emitter, uint32_t at)
{
	const struct csd_insn *insn = &emitter->object->insns[at];
	FILE *out = emitter->out;
	unsigned int bits = csd_size_bytes(insn->code) * 8;

	switch (BPF_CLASS(insn->code) | BPF_MODE(insn->code)) {
	case BPF_LD | BPF_IMM:
		emit_insn_ld_imm64(emitter, at);
		break;
	case BPF_LDX | BPF_MEM:
		emit_insn_result(out, insn->dst, bits == 64);
		fprintf(out, "LOAD(m%u, %s);\n", bits, emit_insn_address_of(insn->src, insn->off).text);
		break;
	case BPF_LDX | BPF_MEMSX:
		emit_insn_result(out, insn->dst, true);
		fprintf(out, "(u64)(s%u)LOAD(m%u, %s);\n", bits, bits, emit_insn_address_of(insn->src, insn->off).text);
		break;
	case BPF_ST | BPF_MEM:
		fprintf(out, "STORE(m%u, %s, 0x%llxULL);\n", bits, emit_insn_address_of(insn->dst, insn->off).text,
			(unsigned long long)(int64_t)insn->imm);
		break;
	case BPF_STX | BPF_MEM:
		fprintf(out, "STORE(m%u, %s, %s);\n", bits, emit_insn_address_of(insn->dst, insn->off).text,
			emit_insn_register_of(emitter, at, insn->src, bits == 64).text);
		break;
	default:
		emit_insn_atomic(out, insn);
		break;
	}
}

/* --- jumps --- */

static void
emit_insn_condition(const struct csd_emitter *emitter, uint32_t at)
{
	static const struct {
		const char *operator;
		bool is_signed;
	} relations[16] = {
		[BPF_JEQ >> 4] = {"==", false}, [BPF_JNE >> 4] = {"!=", false}, [BPF_JSET >> 4] = {"&", false},
		[BPF_JGT >> 4] = {">", false}, [BPF_JGE >> 4] = {">=", false}, [BPF_JLT >> 4] = {"<", false},
		[BPF_JLE >> 4] = {"<=", false}, [BPF_JSGT >> 4] = {">", true}, [BPF_JSGE >> 4] = {">=", true},
		[BPF_JSLT >> 4] = {"<", true}, [BPF_JSLE >> 4] = {"<=", true},
	};
	const struct csd_insn *insn = &emitter->object->insns[at];
	bool wide = BPF_CLASS(insn->code) == BPF_JMP;
	char sign = relations[BPF_OP(insn->code) >> 4].is_signed ? 's' : 'u';

	fprintf(emitter->out, "if ((%c%u)%s %s (%c%u)%s) goto l%lld;\n", sign, wide ? 64 : 32,
		emit_insn_register_of(emitter, at, insn->dst, wide).text, relations[BPF_OP(insn->code) >> 4].operator,
		sign, wide ? 64 : 32, emit_insn_operand_of(emitter, at, wide).text,
		(long long)csd_jump_target(insn, at));
}

static void
emit_insn_helper(const struct csd_emitter *emitter, const struct csd_helper *helper)
{
	FILE *out = emitter->out;

	if (helper->own) {
		fprintf(out, "w0 = r0 = csd_%u_%s(", emitter->id, helper->function);
	} else {
		fprintf(out, "w0 = r0 = %s(", helper->function);
	}
	for (uint32_t i = 1; i <= helper->arguments; i++) {
		fprintf(out, "%sr%u", i > 1 ? ", " : "", i);
	}
	fputs(");\n", out);
}

static void
emit_insn_call(const struct csd_emitter *emitter, uint32_t at)
{
	const struct csd_object *object = emitter->object;
	const struct csd_insn *insn = &object->insns[at];

	if (insn->src == CSD_CALL_HELPER) {
		emit_insn_helper(emitter, csd_helper_numbered(insn->imm));
	} else {
		fprintf(emitter->out, "w0 = r0 = csd_%u_f%u(r1, r2, r3, r4, r5);\n", emitter->id,
			(uint32_t)(csd_object_function(object, (int64_t)at + 1 + insn->imm) - object->functions));
	}
}

static void
emit_insn_jump(const struct csd_emitter *emitter, uint32_t at)
{
	const struct csd_insn *insn = &emitter->object->insns[at];

	switch (BPF_OP(insn->code)) {
	case BPF_JA:
		fprintf(emitter->out, "goto l%lld;\n", (long long)csd_jump_target(insn, at));
		break;
	case BPF_CALL:
		emit_insn_call(emitter, at);
		break;
	case BPF_EXIT:
		fprintf(emitter->out, "return %s;\n", emit_insn_register_of(emitter, at, 0, true).text);
		break;
	default:
		emit_insn_condition(emitter, at);
		break;
	}
}

void
csd_emit_insn(const struct csd_emitter *emitter, uint32_t at)
{
	switch (BPF_CLASS(emitter->object->insns[at].code)) {
	case BPF_ALU:
	case BPF_ALU64:
		emit_insn_arithmetic(emitter, at);
		break;
	case BPF_JMP:
	case BPF_JMP32:
		emit_insn_jump(emitter, at);
		break;
	default:
		emit_insn_memory(emitter, at);
		break;
	}
}
