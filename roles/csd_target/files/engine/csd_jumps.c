/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The machine code is taken apart into its instructions. How many of them each eBPF instruction becomes is known, so each
 * of them has its place, and each jump can be held against the place that it should go to.
 */
#include <stdlib.h>
#include <string.h>

#include "csd_insn.h"
#include "csd_jumps.h"

#if defined(__x86_64__)

#define RET	0xc3
#define R_RAX	0	/* the eBPF registers that the JIT keeps in rax, rdx and rcx */
#define R_RDX	3
#define R_RCX	4

struct native {
	uint32_t at;
	uint32_t bytes;
	bool jumps;
	int64_t target;
	bool returns;
};

/* One instruction out of those that the JIT writes; bytes 0: it is none of them. */
static struct native
decode(const uint8_t *code, uint32_t at, uint32_t end)
{
	struct native insn = {.at = at};
	const struct native unknown = {.at = at};
	bool half = false, wide = false, modrm = false;
	uint32_t i = at, immediate = 0;
	uint8_t opcode;

#define NEXT() (i < end ? code[i++] : (i = end + 1, 0))
	opcode = NEXT();
	if (opcode == 0x66) {
		half = true;
		opcode = NEXT();
	}
	if ((opcode & 0xf0) == 0x40) {
		wide = opcode & 0x08;
		opcode = NEXT();
	}
	if (opcode == 0x0f) {
		opcode = NEXT();
		if ((opcode & 0xf0) == 0x80) {			/* jcc, 32 bits */
			insn.jumps = true;
			immediate = 4;
		} else if (opcode == 0xb6 || opcode == 0xb7 || (opcode & 0xf0) == 0x40) {	/* movzx, cmov */
			modrm = true;
		} else if ((opcode & 0xf8) != 0xc8) {		/* bswap */
			return unknown;
		}
	} else if ((opcode & 0xf0) == 0x70 || opcode == 0xeb) {	/* jcc, jmp, 8 bits */
		insn.jumps = true;
		immediate = 1;
	} else if (opcode == 0xe9) {				/* jmp, 32 bits */
		insn.jumps = true;
		immediate = 4;
	} else if ((opcode & 0xf8) == 0xb8) {			/* mov, immediate */
		immediate = wide ? 8 : 4;
	} else if (opcode == RET) {
		insn.returns = true;
	} else {
		modrm = true;
		switch (opcode) {
		case 0x01: case 0x09: case 0x21: case 0x29: case 0x31: case 0x39:	/* add or and sub xor cmp */
		case 0x85: case 0x87: case 0x88: case 0x89: case 0x8b:	/* test xchg mov */
		case 0xd3:						/* shift by cl */
			break;
		case 0xf7:						/* neg mul div; test has an immediate, unlike them */
			if (i < end && (code[i] >> 3 & 7) < 2) {
				return unknown;
			}
			break;
		case 0x83: case 0xc1: case 0xc6:
			immediate = 1;
			break;
		case 0x81: case 0xc7:
			immediate = half ? 2 : 4;
			break;
		default:
			return unknown;
		}
	}
	if (modrm) {
		uint8_t byte = NEXT();
		uint8_t mode = byte >> 6;

		if (mode == 0) {
			return unknown;		/* the JIT always writes a displacement */
		}
		if (mode != 3 && (byte & 7) == 4) {
			(void)NEXT();		/* SIB: the base is rsp */
		}
		i += mode == 1 ? 1 : mode == 2 ? 4 : 0;
	}
#undef NEXT
	i += immediate;
	if (i > end) {
		return unknown;
	}
	insn.bytes = i - at;
	if (insn.jumps) {
		int32_t distance = 0;

		memcpy(&distance, code + i - immediate, immediate);
		insn.target = i + (immediate == 1 ? (int8_t)distance : (int64_t)distance);
	}
	return insn;
}

static uint32_t
count_multiplication(const struct csd_insn *insn)
{
	bool from_register = BPF_SRC(insn->code) == BPF_X;

	return 2 + (insn->dst != R_RAX) + (!from_register || insn->src != R_RDX) + 1 + (insn->dst != R_RDX) +
	       2 * (insn->dst != R_RAX);
}

static uint32_t
count_division(const struct csd_insn *insn)
{
	bool from_register = BPF_SRC(insn->code) == BPF_X;
	uint8_t result = BPF_OP(insn->code) == BPF_DIV ? R_RAX : R_RDX;

	return (from_register ? 3 : 1) + 2 * (insn->dst != R_RAX) + 2 * (insn->dst != R_RDX) + (insn->dst != R_RAX) + 2 +
	       (insn->dst != result);
}

/* How many machine instructions an eBPF instruction becomes; not of the first exit, which is the end of the function. */
static uint32_t
count_native(const struct csd_insn *insn)
{
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64;
	bool from_register = BPF_SRC(insn->code) == BPF_X;

	switch (BPF_CLASS(insn->code)) {
	case BPF_JMP:
		return BPF_OP(insn->code) == BPF_JA || BPF_OP(insn->code) == BPF_EXIT ? 1 : 2;
	case BPF_ALU:
	case BPF_ALU64:
		break;
	default:
		return 1;
	}
	switch (BPF_OP(insn->code)) {
	case BPF_MUL:
		return count_multiplication(insn);
	case BPF_DIV:
	case BPF_MOD:
		return count_division(insn);
	case BPF_LSH:
	case BPF_RSH:
	case BPF_ARSH:
		return from_register && insn->src != R_RCX ? 3 : 1;
	case BPF_MOV:
		return from_register && wide && insn->src == insn->dst ? 0 : 1;
	case BPF_END:
		return insn->imm == 16 ? 2 : 1;
	default:
		return 1;
	}
}

/* The place of a jump among the machine instructions of an eBPF instruction; -1: it has none. */
static int
jump_within(const struct csd_insn *insn, bool first_exit)
{
	if (BPF_CLASS(insn->code) == BPF_JMP) {
		return BPF_OP(insn->code) == BPF_EXIT ? (first_exit ? -1 : 0) : BPF_OP(insn->code) == BPF_JA ? 0 : 1;
	}
	if (BPF_CLASS(insn->code) == BPF_ALU || BPF_CLASS(insn->code) == BPF_ALU64) {
		if ((BPF_OP(insn->code) == BPF_DIV || BPF_OP(insn->code) == BPF_MOD) && BPF_SRC(insn->code) == BPF_X) {
			return 2;	/* to the end, where the divisor is zero */
		}
	}
	return -1;
}

/* The machine code and where each eBPF instruction begins in it. */
struct map {
	struct native *list;
	uint32_t count;
	uint32_t *first;	/* of an eBPF instruction: place in the list */
	uint32_t exit_at;	/* the first exit, which becomes the function's end; the others jump there */
};

static bool
take_apart(struct map *map, const uint8_t *native, size_t bytes)
{
	for (uint32_t at = 0; at < bytes; at += map->list[map->count++].bytes) {
		map->list[map->count] = decode(native, at, bytes);
		if (map->list[map->count].bytes == 0) {
			return false;
		}
	}
	return true;
}

/*
 * In front of the first exit stand the prologue and known numbers of instructions; then follow what undoes the prologue,
 * the only return, and known numbers again. The prologue saves and the end restores n registers: sub, n stores against
 * n loads, add; and where the stack is used, two and one more for rbp.
 */
static bool
find_places(struct map *map, const struct csd_code *code)
{
	uint32_t before = 0, after = 0, return_at = 0, frame, prologue;

	map->exit_at = UINT32_MAX;
	for (uint32_t i = 0; i < code->count; i++) {
		if (map->exit_at == UINT32_MAX && code->insns[i].code == (BPF_JMP | BPF_EXIT)) {
			map->exit_at = i;
		} else if (map->exit_at == UINT32_MAX) {
			before += count_native(&code->insns[i]);
		} else {
			after += count_native(&code->insns[i]);
		}
		i += csd_is_ld_imm64(&code->insns[i]);
	}
	while (return_at < map->count && !map->list[return_at].returns) {
		return_at++;
	}
	if (map->exit_at == UINT32_MAX || return_at + 1 + after != map->count || return_at < before) {
		return false;
	}
	frame = return_at - before;
	prologue = (frame + 1) / 2;
	for (uint32_t i = 0, place = prologue; i < code->count; i++) {
		map->first[i] = place;
		place += i == map->exit_at ? frame - prologue + 1 : count_native(&code->insns[i]);
		i += csd_is_ld_imm64(&code->insns[i]);
	}
	return true;
}

static bool
check_jumps(const struct map *map, const struct csd_code *code)
{
	uint32_t jumps = 0, checked = 0;

	for (uint32_t i = 0; i < map->count; i++) {
		jumps += map->list[i].jumps;
	}
	for (uint32_t i = 0; i < code->count; i++) {
		const struct csd_insn *insn = &code->insns[i];
		int within = jump_within(insn, i == map->exit_at);

		if (within >= 0) {
			const struct native *jump = &map->list[map->first[i] + within];
			bool to_end = BPF_CLASS(insn->code) != BPF_JMP || BPF_OP(insn->code) == BPF_EXIT;
			uint32_t to = to_end ? map->exit_at : i + 1 + insn->off;

			if (!jump->jumps || jump->target != map->list[map->first[to]].at) {
				return false;
			}
			checked++;
		}
		i += csd_is_ld_imm64(insn);
	}
	return checked == jumps;
}

bool
csd_jumps_are_right(const struct csd_code *code, const void *native, size_t bytes)
{
	struct map map = {
		.list = calloc(bytes, sizeof(*map.list)),
		.first = calloc(code->count, sizeof(*map.first)),
	};
	bool right = map.list != NULL && map.first != NULL && take_apart(&map, native, bytes) && find_places(&map, code) &&
		     check_jumps(&map, code);

	free(map.first);
	free(map.list);
	return right;
}

#else

bool
csd_jumps_are_right(const struct csd_code *code, const void *native, size_t bytes)
{
	(void)code;
	(void)native;
	(void)bytes;
	return false;	/* nobody can tell: it is interpreted */
}

#endif
