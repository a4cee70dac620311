/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The instructions of RFC 9669 as C. Arithmetic is done on unsigned numbers, which wrap; what has 32 bits is cut to 32
 * before and is cut to 32 afterwards, which clears the upper half; shifts are masked. So nothing depends on what C leaves
 * undefined.
 */
#include "csd_emit_insn.h"
#include "csd_helper.h"
#include "csd_isa.h"

/* The right operand, as text: a register or a constant of as many bits. */
struct operand {
	char text[32];
};

static struct operand
operand_of(const struct csd_insn *insn, bool wide)
{
	struct operand operand;

	if (BPF_SRC(insn->code) == BPF_X) {
		snprintf(operand.text, sizeof(operand.text), "%sr%u", wide ? "" : "(u32)", insn->src);
	} else if (wide) {
		snprintf(operand.text, sizeof(operand.text), "0x%llxULL", (unsigned long long)(int64_t)insn->imm);
	} else {
		snprintf(operand.text, sizeof(operand.text), "0x%xU", (uint32_t)insn->imm);
	}
	return operand;
}

/* --- arithmetic --- */

static void
emit_move(FILE *out, const struct csd_insn *insn, bool wide, const char *right)
{
	if (insn->off == 0) {
		fprintf(out, "r%u = %s;\n", insn->dst, right);
	} else {
		fprintf(out, "r%u = (u%u)(s%d)r%u;\n", insn->dst, wide ? 64 : 32, insn->off, insn->src);
	}
}

static void
emit_swap(FILE *out, const struct csd_insn *insn)
{
	/* To little endian: it is, and what is wider is cut off. */
	if (insn->code == (BPF_ALU | BPF_END | BPF_TO_LE)) {
		fprintf(out, "r%u = (u%d)r%u;\n", insn->dst, insn->imm, insn->dst);
	} else {
		fprintf(out, "r%u = __builtin_bswap%d((u%d)r%u);\n", insn->dst, insn->imm, insn->imm, insn->dst);
	}
}

static void
emit_arithmetic(FILE *out, const struct csd_insn *insn)
{
	static const char *const infix[16] = {
		[BPF_ADD >> 4] = "+", [BPF_SUB >> 4] = "-", [BPF_MUL >> 4] = "*", [BPF_OR >> 4] = "|", [BPF_AND >> 4] = "&",
		[BPF_XOR >> 4] = "^", [BPF_LSH >> 4] = "<<", [BPF_RSH >> 4] = ">>",
	};
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64;
	unsigned int bits = wide ? 64 : 32;
	struct operand right = operand_of(insn, wide);

	switch (BPF_OP(insn->code)) {
	case BPF_MOV:
		emit_move(out, insn, wide, right.text);
		break;
	case BPF_END:
		emit_swap(out, insn);
		break;
	case BPF_NEG:
		fprintf(out, "r%u = (u%u)(0 - (u%u)r%u);\n", insn->dst, bits, bits, insn->dst);
		break;
	case BPF_DIV:
	case BPF_MOD:
		fprintf(out, "r%u = csd_%s%s%u(r%u, %s);\n", insn->dst, insn->off == CSD_SIGNED ? "s" : "",
			BPF_OP(insn->code) == BPF_DIV ? "div" : "mod", bits, insn->dst, right.text);
		break;
	case BPF_LSH:
	case BPF_RSH:
		fprintf(out, "r%u = (u%u)((u%u)r%u %s (%s & %u));\n", insn->dst, bits, bits, insn->dst,
			infix[BPF_OP(insn->code) >> 4], right.text, bits - 1);
		break;
	case BPF_ARSH:
		fprintf(out, "r%u = (u%u)((s%u)r%u >> (%s & %u));\n", insn->dst, bits, bits, insn->dst, right.text, bits - 1);
		break;
	default:
		fprintf(out, "r%u = (u%u)((u%u)r%u %s %s);\n", insn->dst, bits, bits, insn->dst, infix[BPF_OP(insn->code) >> 4],
			right.text);
		break;
	}
}

/* --- memory --- */

struct address {
	char text[48];
};

/* In its frame a function's access is one of the array, as far as the compiler can see: it may live in registers. */
static struct address
address_of(uint8_t base, int16_t off)
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
emit_atomic(FILE *out, const struct csd_insn *insn)
{
	unsigned int bits = csd_size_bytes(insn->code) * 8;
	const char *name = (insn->imm & ~BPF_FETCH) == BPF_ADD ? "add" : (insn->imm & ~BPF_FETCH) == BPF_OR ? "or" :
			   (insn->imm & ~BPF_FETCH) == BPF_AND ? "and" : "xor";
	char operands[64];

	snprintf(operands, sizeof(operands), "ADDRESS(r%u, %d), r%u", insn->dst, insn->off, insn->src);
	switch (insn->imm) {
	case BPF_XCHG:
		fprintf(out, "r%u = CSD_ATOMIC(%u, exchange_n, %s);\n", insn->src, bits, operands);
		break;
	case BPF_CMPXCHG:
		fprintf(out, "r0 = csd_compare_exchange%u(ADDRESS(r%u, %d), r0, r%u);\n", bits, insn->dst, insn->off, insn->src);
		break;
	case BPF_ADD | BPF_FETCH:
		fprintf(out, "r%u = CSD_ATOMIC(%u, fetch_add, %s);\n", insn->src, bits, operands);
		break;
	case BPF_OR | BPF_FETCH:
	case BPF_AND | BPF_FETCH:
	case BPF_XOR | BPF_FETCH:
		fprintf(out, "r%u = csd_fetch_%s%u(%s);\n", insn->src, name, bits, operands);
		break;
	default:
		fprintf(out, "CSD_ATOMIC(%u, fetch_%s, %s);\n", bits, name, operands);
		break;
	}
}

static void
emit_ld_imm64(FILE *out, const struct csd_object *object, uint32_t id, uint32_t at)
{
	const struct csd_insn *insn = &object->insns[at];
	enum csd_area area = object->area[at];

	if (area == CSD_AREA_NONE) {
		fprintf(out, "r%u = 0x%llxULL;\n", insn->dst,
			(unsigned long long)((uint64_t)(uint32_t)insn[1].imm << 32 | (uint32_t)insn[0].imm));
	} else if (object->areas[area].length == 0) {
		/* There is nothing, so no byte of it either: an address that is nobody's. */
		fprintf(out, "r%u = 0;\n", insn->dst);
	} else {
		fprintf(out, "r%u = (u64)csd_%u_%s + %uU;\n", insn->dst, id, csd_emit_area_name(area), (uint32_t)insn->imm);
	}
}

static void
emit_memory(FILE *out, const struct csd_object *object, uint32_t id, uint32_t at)
{
	const struct csd_insn *insn = &object->insns[at];
	unsigned int bits = csd_size_bytes(insn->code) * 8;

	switch (BPF_CLASS(insn->code) | BPF_MODE(insn->code)) {
	case BPF_LD | BPF_IMM:
		emit_ld_imm64(out, object, id, at);
		break;
	case BPF_LDX | BPF_MEM:
		fprintf(out, "r%u = LOAD(m%u, %s);\n", insn->dst, bits, address_of(insn->src, insn->off).text);
		break;
	case BPF_LDX | BPF_MEMSX:
		fprintf(out, "r%u = (u64)(s%u)LOAD(m%u, %s);\n", insn->dst, bits, bits, address_of(insn->src, insn->off).text);
		break;
	case BPF_ST | BPF_MEM:
		fprintf(out, "STORE(m%u, %s, 0x%llxULL);\n", bits, address_of(insn->dst, insn->off).text,
			(unsigned long long)(int64_t)insn->imm);
		break;
	case BPF_STX | BPF_MEM:
		fprintf(out, "STORE(m%u, %s, r%u);\n", bits, address_of(insn->dst, insn->off).text, insn->src);
		break;
	default:
		emit_atomic(out, insn);
		break;
	}
}

/* --- jumps --- */

static void
emit_condition(FILE *out, const struct csd_insn *insn, uint32_t at)
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
	bool wide = BPF_CLASS(insn->code) == BPF_JMP, is_signed = relations[BPF_OP(insn->code) >> 4].is_signed;
	struct operand right = operand_of(insn, wide);

	fprintf(out, "if ((%c%u)r%u %s (%c%u)(%s)) goto l%lld;\n", is_signed ? 's' : 'u', wide ? 64 : 32, insn->dst,
		relations[BPF_OP(insn->code) >> 4].operator, is_signed ? 's' : 'u', wide ? 64 : 32, right.text,
		(long long)csd_jump_target(insn, at));
}

static void
emit_jump(FILE *out, const struct csd_object *object, uint32_t id, uint32_t at)
{
	const struct csd_insn *insn = &object->insns[at];

	switch (BPF_OP(insn->code)) {
	case BPF_JA:
		fprintf(out, "goto l%lld;\n", (long long)csd_jump_target(insn, at));
		break;
	case BPF_CALL:
		if (insn->src == CSD_CALL_HELPER) {
			fprintf(out, "r0 = csd_%s(r1, r2, r3);\n", csd_helper_numbered(insn->imm)->name);
			break;
		}
		fprintf(out, "r0 = csd_%u_f%u(r1, r2, r3, r4, r5);\n", id,
			(uint32_t)(csd_object_function(object, (int64_t)at + 1 + insn->imm) - object->functions));
		break;
	case BPF_EXIT:
		fputs("return r0;\n", out);
		break;
	default:
		emit_condition(out, insn, at);
		break;
	}
}

void
csd_emit_insn(FILE *out, const struct csd_object *object, uint32_t id, uint32_t at)
{
	const struct csd_insn *insn = &object->insns[at];

	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		emit_arithmetic(out, insn);
		break;
	case BPF_JMP:
	case BPF_JMP32:
		emit_jump(out, object, id, at);
		break;
	default:
		emit_memory(out, object, id, at);
		break;
	}
}
