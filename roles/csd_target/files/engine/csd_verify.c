/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * librte_bpf has a validator of its own, which runs behind this one. It is not enough for programs of strangers: its
 * bounds of differences, products and masks are wrong in places (DPDK has corrected many since), it lets a program
 * write to its argument (here: the stored data), store and return addresses, divide by what may be zero, and its JIT
 * compiles some instructions wrongly. All of that is refused here, with a reason.
 *
 * It is an abstract interpretation: instructions are visited once, in an order in which each comes behind all that
 * lead to it (there are no loops), over what is known of registers and stack on any path to them.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csd_verify.h"

/*
 * librte_bpf's validator follows paths, whose number doubles with each branch: instructions, counted once for each path
 * that leads to them, are limited to what it does in some 10 ms.
 */
#define MAX_PATH_INSTRUCTIONS	100000

#define REGISTERS	11
#define R_STACK		10
#define SLOTS		(CSD_MAX_STACK_BYTES / 8)

enum kind {
	UNSET,		/* never written */
	NUMBER,
	MIXED,		/* one thing or another, depending on the path */
	RECORD, PARAMETERS, STATE, STACK,	/* addresses: offsets from their begin; of the stack: from its end */
};

static const char *const kind_names[] = {
	[RECORD] = "the record", [PARAMETERS] = "the parameters", [STATE] = "the state", [STACK] = "the stack",
};

/* Every value that it can have lies in both ranges. Of an address only the signed range counts: its offset. */
struct value {
	enum kind kind;
	uint64_t umin, umax;
	int64_t smin, smax;
};

struct slot {
	struct value spilled;	/* kind UNSET: not one value of 8 bytes */
	uint8_t written;	/* a bit for each byte */
};

struct state {
	struct value registers[REGISTERS];
	struct slot stack[SLOTS];
};

struct verifier {
	const struct csd_code *code;
	char *reason;
	struct state **states;	/* on entry of an instruction; NULL: none yet, or done */
	uint32_t *order;	/* instructions, each behind all that lead to it */
	uint32_t ordered;
};

#define REFUSE(verifier, at, format, ...) \
	csd_refuse((verifier)->reason, "instruction %u: " format, at, ##__VA_ARGS__)

/* --- values --- */

static const struct value any_number = {
	.kind = NUMBER, .umin = 0, .umax = UINT64_MAX, .smin = INT64_MIN, .smax = INT64_MAX,
};

static bool
is_address(const struct value *value)
{
	return value->kind >= RECORD;
}

/* Each range says something of the other where the sign is known. */
static struct value
agree(struct value value)
{
	if ((value.smin < 0) == (value.smax < 0)) {
		value.umin = value.umin > (uint64_t)value.smin ? value.umin : (uint64_t)value.smin;
		value.umax = value.umax < (uint64_t)value.smax ? value.umax : (uint64_t)value.smax;
	}
	if ((value.umin > INT64_MAX) == (value.umax > INT64_MAX)) {
		value.smin = value.smin > (int64_t)value.umin ? value.smin : (int64_t)value.umin;
		value.smax = value.smax < (int64_t)value.umax ? value.smax : (int64_t)value.umax;
	}
	return value;
}

static struct value
unsigned_range(uint64_t min, uint64_t max)
{
	return agree((struct value) {.kind = NUMBER, .umin = min, .umax = max, .smin = INT64_MIN, .smax = INT64_MAX});
}

static struct value
signed_range(int64_t min, int64_t max)
{
	return agree((struct value) {.kind = NUMBER, .umin = 0, .umax = UINT64_MAX, .smin = min, .smax = max});
}

static struct value
constant(uint64_t number)
{
	return (struct value) {.kind = NUMBER, .umin = number, .umax = number, .smin = number, .smax = number};
}

static bool
is_constant(const struct value *value)
{
	return value->umin == value->umax;
}

static struct value
low_half(struct value value)
{
	if (value.umax <= UINT32_MAX) {
		return value;
	}
	return is_constant(&value) ? constant((uint32_t)value.umin) : unsigned_range(0, UINT32_MAX);
}

static struct value
hull(const struct value *a, const struct value *b)
{
	if (a->kind == UNSET || b->kind == UNSET) {
		return (struct value) {.kind = UNSET};
	}
	if (a->kind != b->kind) {
		return (struct value) {.kind = MIXED};
	}
	return (struct value) {
		.kind = a->kind,
		.umin = a->umin < b->umin ? a->umin : b->umin, .umax = a->umax > b->umax ? a->umax : b->umax,
		.smin = a->smin < b->smin ? a->smin : b->smin, .smax = a->smax > b->smax ? a->smax : b->smax,
	};
}

/* --- arithmetic on numbers --- */

/* All bits up to the highest that is set. */
static uint64_t
fill_bits(uint64_t value)
{
	return value == 0 ? 0 : UINT64_MAX >> __builtin_clzll(value);
}

static struct value
add(const struct value *a, const struct value *b)
{
	struct value sum = any_number;

	if (__builtin_add_overflow(a->umin, b->umin, &sum.umin) | __builtin_add_overflow(a->umax, b->umax, &sum.umax)) {
		sum.umin = 0;
		sum.umax = UINT64_MAX;
	}
	if (__builtin_add_overflow(a->smin, b->smin, &sum.smin) | __builtin_add_overflow(a->smax, b->smax, &sum.smax)) {
		sum.smin = INT64_MIN;
		sum.smax = INT64_MAX;
	}
	return agree(sum);
}

static struct value
subtract(const struct value *a, const struct value *b)
{
	struct value difference = any_number;

	if (a->umin >= b->umax) {
		difference.umin = a->umin - b->umax;
		difference.umax = a->umax - b->umin;
	}
	if (__builtin_sub_overflow(a->smin, b->smax, &difference.smin) |
	    __builtin_sub_overflow(a->smax, b->smin, &difference.smax)) {
		difference.smin = INT64_MIN;
		difference.smax = INT64_MAX;
	}
	return agree(difference);
}

static struct value
multiply(const struct value *a, const struct value *b)
{
	uint64_t max;

	if (__builtin_mul_overflow(a->umax, b->umax, &max)) {
		return any_number;
	}
	return unsigned_range(a->umin * b->umin, max);
}

static struct value
shift(uint8_t operation, const struct value *a, const struct value *by, uint32_t bits)
{
	uint64_t n = by->umin;

	if (!is_constant(by) || n >= bits) {	/* the CPU takes the amount's low bits */
		if (operation == BPF_RSH) {
			return unsigned_range(0, a->umax);
		}
		return operation == BPF_ARSH ? signed_range(a->smin < 0 ? a->smin : 0, a->smax > -1 ? a->smax : -1) :
					       any_number;
	}
	switch (operation) {
	case BPF_LSH:
		return a->umax <= UINT64_MAX >> n ? unsigned_range(a->umin << n, a->umax << n) : any_number;
	case BPF_RSH:
		return unsigned_range(a->umin >> n, a->umax >> n);
	default:
		return signed_range(a->smin >> n, a->smax >> n);
	}
}

static struct value
calculate(uint8_t operation, const struct value *a, const struct value *b, uint32_t bits)
{
	switch (operation) {
	case BPF_ADD:
		return add(a, b);
	case BPF_SUB:
		return subtract(a, b);
	case BPF_MUL:
		return multiply(a, b);
	case BPF_DIV:	/* b is not zero */
		return unsigned_range(a->umin / b->umax, a->umax / b->umin);
	case BPF_MOD:
		return unsigned_range(0, a->umax < b->umax - 1 ? a->umax : b->umax - 1);
	case BPF_AND:
		return is_constant(a) && is_constant(b) ? constant(a->umin & b->umin) :
		       unsigned_range(0, a->umax < b->umax ? a->umax : b->umax);
	case BPF_OR:
		return is_constant(a) && is_constant(b) ? constant(a->umin | b->umin) :
		       unsigned_range(a->umin > b->umin ? a->umin : b->umin, fill_bits(a->umax | b->umax));
	case BPF_XOR:
		return is_constant(a) && is_constant(b) ? constant(a->umin ^ b->umin) :
		       unsigned_range(0, fill_bits(a->umax | b->umax));
	case BPF_LSH:
	case BPF_RSH:
	case BPF_ARSH:
		return shift(operation, a, b, bits);
	case BPF_MOV:
		return *b;
	default:
		return any_number;
	}
}

/* --- the form of instructions --- */

static bool
is_ld_imm64(const struct csd_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static bool
is_branch(const struct csd_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_JMP && BPF_OP(insn->code) != BPF_JA && BPF_OP(insn->code) != BPF_EXIT;
}

static uint32_t
access_bytes(const struct csd_insn *insn)
{
	static const uint8_t bytes[] = {[BPF_W >> 3] = 4, [BPF_H >> 3] = 2, [BPF_B >> 3] = 1, [BPF_DW >> 3] = 8};

	return bytes[BPF_SIZE(insn->code) >> 3];
}

static int
check_alu(const struct verifier *verifier, uint32_t at, const struct csd_insn *insn)
{
	uint8_t operation = BPF_OP(insn->code);
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64;
	bool from_register = BPF_SRC(insn->code) == BPF_X;
	uint32_t bits = wide ? 64 : 32;

	if (operation > BPF_END || (operation == BPF_END && wide) || (operation == BPF_NEG && from_register)) {
		return REFUSE(verifier, at, "opcode %02xh is unknown", insn->code);
	}
	if (operation == BPF_ARSH && !wide) {
		return REFUSE(verifier, at, "opcode %02xh: 32-bit arithmetic shifts are not supported (compile with -mcpu=v2)",
			      insn->code);
	}
	if (insn->off != 0) {
		return REFUSE(verifier, at, "opcode %02xh with an offset: signed division and moves are not supported "
			      "(compile with -mcpu=v2)", insn->code);
	}
	if (operation == BPF_END) {
		if (!from_register) {	/* the interpreter does not cut the number off, the JIT does */
			return REFUSE(verifier, at, "opcode %02xh: conversion to little endian, which numbers are already",
				      insn->code);
		}
		if (insn->src != 0 || (insn->imm != 16 && insn->imm != 32 && insn->imm != 64)) {
			return REFUSE(verifier, at, "byte swap of %d bits; 16, 32 and 64 are possible", insn->imm);
		}
		return 0;
	}
	if (operation == BPF_NEG ? insn->src != 0 || insn->imm != 0 : from_register ? insn->imm != 0 : insn->src != 0) {
		return REFUSE(verifier, at, "opcode %02xh: an unused field is not zero", insn->code);
	}
	if (operation == BPF_LSH || operation == BPF_RSH || operation == BPF_ARSH) {
		if (!from_register && (uint32_t)insn->imm >= bits) {
			return REFUSE(verifier, at, "shift of %u bits by %d", bits, insn->imm);
		}
		if (from_register && insn->src == insn->dst) {	/* the JIT gets it wrong */
			return REFUSE(verifier, at, "shift of r%u by itself", insn->dst);
		}
	}
	if (operation == BPF_DIV || operation == BPF_MOD) {
		if (!from_register && insn->imm == 0) {
			return REFUSE(verifier, at, "division by zero");
		}
		if (from_register && insn->src == insn->dst) {	/* the JIT gets it wrong */
			return REFUSE(verifier, at, "division of r%u by itself", insn->dst);
		}
		if (from_register && !wide) {	/* the JIT spoils r0's upper half */
			return REFUSE(verifier, at, "32-bit division by a register is not supported (compile with -mcpu=v2)");
		}
	}
	return 0;
}

static int
check_jump(const struct verifier *verifier, uint32_t at, const struct csd_insn *insn)
{
	uint8_t operation = BPF_OP(insn->code);
	bool from_register = BPF_SRC(insn->code) == BPF_X;

	if (BPF_CLASS(insn->code) == BPF_JMP32) {
		return REFUSE(verifier, at, "opcode %02xh: 32-bit jumps are not supported (compile with -mcpu=v2)", insn->code);
	}
	if (insn->code == (BPF_JMP | BPF_CALL)) {
		if (insn->src == BPF_PSEUDO_CALL) {
			return REFUSE(verifier, at, "calls a function: a program is one function (__always_inline helps)");
		}
		if (insn->src == 0 && insn->imm == BPF_FUNC_tail_call) {
			return REFUSE(verifier, at, "tail call: a program ends with its own verdict");
		}
		return REFUSE(verifier, at, "calls helper %d: programs inside a drive have no helpers", insn->imm);
	}
	if (insn->code == (BPF_JMP | BPF_EXIT) || insn->code == (BPF_JMP | BPF_JA)) {
		bool exits = operation == BPF_EXIT;

		return insn->dst != 0 || insn->src != 0 || insn->imm != 0 || (exits && insn->off != 0) ?
		       REFUSE(verifier, at, "opcode %02xh: an unused field is not zero", insn->code) : 0;
	}
	if (operation == BPF_JA || operation == BPF_CALL || operation == BPF_EXIT || operation > BPF_JSLE) {
		return REFUSE(verifier, at, "opcode %02xh is unknown", insn->code);
	}
	if (operation == BPF_JSET && !from_register) {	/* the JIT gets it wrong */
		return REFUSE(verifier, at, "opcode %02xh: a jump on bits of a constant is not supported (mask, then compare)",
			      insn->code);
	}
	if (from_register ? insn->imm != 0 : insn->src != 0) {
		return REFUSE(verifier, at, "opcode %02xh: an unused field is not zero", insn->code);
	}
	return 0;
}

static int
check_memory(const struct verifier *verifier, uint32_t at, const struct csd_insn *insn)
{
	uint8_t class = BPF_CLASS(insn->code), mode = BPF_MODE(insn->code);
	const struct csd_insn *second = insn + 1;

	if (class == BPF_LD && (mode == BPF_ABS || mode == BPF_IND)) {
		return REFUSE(verifier, at, "opcode %02xh loads from a packet: a program has a record", insn->code);
	}
	if (class == BPF_STX && mode == BPF_ATOMIC && (BPF_SIZE(insn->code) == BPF_W || BPF_SIZE(insn->code) == BPF_DW)) {
		return REFUSE(verifier, at, "atomic operation: the state belongs to one run, so a plain one does");
	}
	if (is_ld_imm64(insn)) {
		if (at + 1 >= verifier->code->count) {
			return REFUSE(verifier, at, "the second half of this ld_imm64 is missing");
		}
		if (second->code != 0 || second->dst != 0 || second->src != 0 || second->off != 0 || insn->off != 0) {
			return REFUSE(verifier, at, "this ld_imm64 has a second half, or a field, that cannot be");
		}
		return insn->src > CSD_EXTERN ? REFUSE(verifier, at, "ld_imm64 of kind %u: no maps, no data of a program's own",
						       insn->src) : 0;
	}
	if (class == BPF_LD || mode != BPF_MEM) {
		return REFUSE(verifier, at, "opcode %02xh is unknown%s", insn->code,
			      class == BPF_LDX && mode == 0x80 ? ": loads with sign are not supported (compile with -mcpu=v2)" : "");
	}
	if (class == BPF_ST ? insn->src != 0 : insn->imm != 0) {
		return REFUSE(verifier, at, "opcode %02xh: an unused field is not zero", insn->code);
	}
	return 0;
}

static int
check_form(const struct verifier *verifier, uint32_t at)
{
	const struct csd_insn *insn = &verifier->code->insns[at];
	uint8_t class = BPF_CLASS(insn->code);
	bool writes = class == BPF_ALU || class == BPF_ALU64 || class == BPF_LDX || class == BPF_LD;
	int rc;

	switch (class) {
	case BPF_ALU:
	case BPF_ALU64:
		rc = check_alu(verifier, at, insn);
		break;
	case BPF_JMP:
	case BPF_JMP32:
		rc = check_jump(verifier, at, insn);
		break;
	default:
		rc = check_memory(verifier, at, insn);
		break;
	}
	if (rc != 0) {
		return rc;
	}
	if (insn->dst >= REGISTERS || insn->src >= REGISTERS) {
		return REFUSE(verifier, at, "register %u does not exist", insn->dst >= REGISTERS ? insn->dst : insn->src);
	}
	if (writes && insn->dst == R_STACK) {
		return REFUSE(verifier, at, "writes to r10, the address of the stack");
	}
	return 0;
}

/* --- the order of instructions --- */

/* Where control goes from an instruction; returns how many places. The first is the next one, if any. */
static uint32_t
successors(const struct csd_insn *insn, uint32_t at, int64_t next[2])
{
	if (insn->code == (BPF_JMP | BPF_EXIT)) {
		return 0;
	}
	if (insn->code == (BPF_JMP | BPF_JA)) {
		next[0] = (int64_t)at + 1 + insn->off;
		return 1;
	}
	next[0] = (int64_t)at + (is_ld_imm64(insn) ? 2 : 1);
	next[1] = (int64_t)at + 1 + insn->off;
	return is_branch(insn) ? 2 : 1;
}

static int
check_jumps(const struct verifier *verifier, const bool *begins)
{
	for (uint32_t at = 0; at < verifier->code->count; at++) {
		int64_t next[2];
		uint32_t count = begins[at] ? successors(&verifier->code->insns[at], at, next) : 0;

		for (uint32_t i = 0; i < count; i++) {
			if (next[i] == verifier->code->count) {
				return REFUSE(verifier, at, "the program runs, or jumps, past its end: exit is missing");
			}
			if (next[i] < 0 || next[i] > verifier->code->count) {
				return REFUSE(verifier, at, "jump to instruction %lld, outside of the program of %u",
					      (long long)next[i], verifier->code->count);
			}
			if (!begins[next[i]]) {
				return REFUSE(verifier, at, "jump to instruction %lld, into the middle of an ld_imm64",
					      (long long)next[i]);
			}
		}
	}
	return 0;
}

/* Depth first, without recursion; fills verifier->order. Refuses loops. */
static int
sort(struct verifier *verifier, uint8_t *visited, uint32_t *trail, uint8_t *taken)
{
	enum { NEW, OPEN, DONE };
	uint32_t depth = 0, place = verifier->code->count;

	trail[depth++] = 0;
	visited[0] = OPEN;
	while (depth > 0) {
		uint32_t at = trail[depth - 1];
		int64_t next[2];

		if (taken[at] == successors(&verifier->code->insns[at], at, next)) {
			visited[at] = DONE;
			verifier->order[--place] = at;
			depth--;
			continue;
		}
		uint32_t to = next[taken[at]++];

		if (visited[to] == OPEN) {
			return REFUSE(verifier, at, "jumps back to instruction %u: a loop (unroll it)", to);
		}
		if (visited[to] == NEW) {
			visited[to] = OPEN;
			trail[depth++] = to;
		}
	}
	verifier->ordered = verifier->code->count - place;
	memmove(verifier->order, verifier->order + place, verifier->ordered * sizeof(*verifier->order));
	return 0;
}

static int
check_paths(const struct verifier *verifier, uint64_t *paths)
{
	uint64_t total = 0;

	paths[0] = 1;
	for (uint32_t i = 0; i < verifier->ordered; i++) {
		uint32_t at = verifier->order[i];
		int64_t next[2];
		uint32_t count = successors(&verifier->code->insns[at], at, next);

		total += paths[at];
		if (total > MAX_PATH_INSTRUCTIONS) {	/* before the counts can overflow: they only add up here */
			return csd_refuse(verifier->reason, "too many paths: more than %u instructions along all paths "
					  "(fewer branches: compute instead of branching)", MAX_PATH_INSTRUCTIONS);
		}
		for (uint32_t k = 0; k < count; k++) {
			paths[next[k]] += paths[at];
		}
	}
	return 0;
}

static int
check_flow(struct verifier *verifier)
{
	uint32_t count = verifier->code->count;
	bool *begins = calloc(count, sizeof(*begins));
	uint8_t *visited = calloc(count, sizeof(*visited));
	uint8_t *taken = calloc(count, sizeof(*taken));
	uint32_t *trail = calloc(count, sizeof(*trail));
	uint64_t *paths = calloc(count, sizeof(*paths));
	int rc = 0;

	if (begins == NULL || visited == NULL || taken == NULL || trail == NULL || paths == NULL) {
		rc = -ENOMEM;
	}
	for (uint32_t at = 0; rc == 0 && at < count; at++) {
		begins[at] = true;
		rc = check_form(verifier, at);
		at += is_ld_imm64(&verifier->code->insns[at]);
	}
	if (rc == 0) {
		rc = check_jumps(verifier, begins);
	}
	if (rc == 0) {
		rc = sort(verifier, visited, trail, taken);
	}
	for (uint32_t at = 0; rc == 0 && at < count; at++) {
		if (begins[at] && visited[at] == 0) {
			rc = REFUSE(verifier, at, "cannot be reached");
		}
	}
	if (rc == 0) {
		rc = check_paths(verifier, paths);
	}
	free(paths);
	free(trail);
	free(taken);
	free(visited);
	free(begins);
	return rc;
}

/* --- what instructions do to registers and stack --- */

static int
check_readable(const struct verifier *verifier, uint32_t at, const struct value *value, uint32_t reg)
{
	if (value->kind == UNSET) {
		return REFUSE(verifier, at, "reads r%u, which was not written on every path to here", reg);
	}
	if (value->kind == MIXED) {
		return REFUSE(verifier, at, "r%u is an address or something else, depending on the path to here", reg);
	}
	return 0;
}

static int
visit_address_arithmetic(const struct verifier *verifier, uint32_t at, const struct csd_insn *insn, struct value *dst,
			 const struct value *src)
{
	const int64_t reach = 1 << 24;
	uint8_t operation = BPF_OP(insn->code);
	struct value result;

	if (operation == BPF_MOV && BPF_CLASS(insn->code) == BPF_ALU64) {
		*dst = *src;
		return 0;
	}
	if (BPF_CLASS(insn->code) != BPF_ALU64 || (operation != BPF_ADD && operation != BPF_SUB) ||
	    (is_address(dst) && is_address(src)) || (operation == BPF_SUB && is_address(src))) {
		return REFUSE(verifier, at, "arithmetic on the address of %s: numbers may be added to it or subtracted",
			      kind_names[is_address(dst) ? dst->kind : src->kind]);
	}
	/* The unsigned ranges of addresses mean nothing, but are kept apart from numbers' by any_number. */
	result = operation == BPF_ADD ? add(dst, src) : subtract(dst, src);
	result.kind = is_address(dst) ? dst->kind : src->kind;
	result.umin = 0;
	result.umax = UINT64_MAX;
	if (result.smin < -reach || result.smax > reach) {
		return REFUSE(verifier, at, "an address in %s, moved by what may be any number: mask or compare it first",
			      kind_names[result.kind]);
	}
	*dst = result;
	return 0;
}

static int
visit_alu(const struct verifier *verifier, uint32_t at, const struct csd_insn *insn, struct state *state)
{
	uint8_t operation = BPF_OP(insn->code);
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64;
	struct value *dst = &state->registers[insn->dst];
	struct value src = constant((int64_t)insn->imm);
	struct value result;
	int rc = 0;

	if (operation == BPF_END || operation == BPF_NEG) {
		rc = check_readable(verifier, at, dst, insn->dst);
		if (rc == 0 && is_address(dst)) {
			rc = REFUSE(verifier, at, "arithmetic on the address of %s", kind_names[dst->kind]);
		}
		if (rc == 0) {
			*dst = operation == BPF_NEG ? (wide ? any_number : unsigned_range(0, UINT32_MAX)) :
			       insn->imm == 64 ? any_number : unsigned_range(0, (1ULL << insn->imm) - 1);
		}
		return rc;
	}
	if (BPF_SRC(insn->code) == BPF_X) {
		if (operation == BPF_XOR && insn->src == insn->dst) {	/* a way to write zero */
			*dst = constant(0);
			return 0;
		}
		src = state->registers[insn->src];
		rc = check_readable(verifier, at, &src, insn->src);
	}
	if (rc == 0 && operation != BPF_MOV) {
		rc = check_readable(verifier, at, dst, insn->dst);
	}
	if (rc != 0) {
		return rc;
	}
	if (is_address(&src) || (operation != BPF_MOV && is_address(dst))) {
		return visit_address_arithmetic(verifier, at, insn, dst, &src);
	}
	result = operation == BPF_MOV ? any_number : *dst;
	if (!wide) {
		result = low_half(result);
		src = low_half(src);
	}
	if ((operation == BPF_DIV || operation == BPF_MOD) && src.umin == 0) {
		return REFUSE(verifier, at, "divides by r%u, which may be zero: test it first", insn->src);
	}
	result = calculate(operation, &result, &src, wide ? 64 : 32);
	*dst = wide ? result : low_half(result);
	return 0;
}

/* The stack slot of an access, whose offset is known; NULL with a reason. */
static struct slot *
find_slot(const struct verifier *verifier, uint32_t at, struct state *state, int64_t offset, uint32_t bytes,
	  uint8_t *touched)
{
	uint32_t place = CSD_MAX_STACK_BYTES + offset;

	if (place % bytes != 0) {
		REFUSE(verifier, at, "%u bytes of the stack at offset %lld: misaligned", bytes, (long long)offset);
		return NULL;
	}
	*touched = ((1u << bytes) - 1) << place % 8;
	return &state->stack[place / 8];
}

static int
check_access(const struct verifier *verifier, uint32_t at, const struct value *base, uint32_t reg, int16_t displacement,
	     uint32_t bytes, bool store)
{
	const struct csd_geometry *geometry = &verifier->code->geometry;
	const char *what = store ? "store" : "load";
	int64_t first, last, size;
	int rc;

	rc = check_readable(verifier, at, base, reg);
	if (rc != 0) {
		return rc;
	}
	if (!is_address(base)) {
		return REFUSE(verifier, at, "%s at r%u, which is a number, not an address", what, reg);
	}
	if (store && (base->kind == RECORD || base->kind == PARAMETERS)) {
		return REFUSE(verifier, at, "store to %s: a program writes its state and its stack only", kind_names[base->kind]);
	}
	first = base->smin + displacement;
	last = base->smax + displacement;
	if (base->kind == STACK) {
		if (first != last) {
			return REFUSE(verifier, at, "%s at a variable place of the stack", what);
		}
		return first < -CSD_MAX_STACK_BYTES || first > -(int64_t)bytes ?
		       REFUSE(verifier, at, "%s of %u bytes at offset %lld of a stack of %u", what, bytes, (long long)first,
			      CSD_MAX_STACK_BYTES) : 0;
	}
	size = base->kind == RECORD ? geometry->record_bytes : base->kind == STATE ? geometry->state_bytes :
	       (int64_t)sizeof(struct csd_parameters);
	if (first >= 0 && last + bytes <= size) {
		return 0;
	}
	if (first == last) {
		return REFUSE(verifier, at, "%s of %u bytes at offset %lld of %s of %lld", what, bytes, (long long)first,
			      base->kind == RECORD ? "a record" : kind_names[base->kind], (long long)size);
	}
	return REFUSE(verifier, at, "%s of %u bytes at offset %lld to %lld of %s of %lld", what, bytes, (long long)first,
		      (long long)last, base->kind == RECORD ? "a record" : kind_names[base->kind], (long long)size);
}

static int
visit_load(const struct verifier *verifier, uint32_t at, const struct csd_insn *insn, struct state *state)
{
	const struct value *base = &state->registers[insn->src];
	uint32_t bytes = access_bytes(insn);
	struct value loaded = bytes == 8 ? any_number : unsigned_range(0, (1ULL << 8 * bytes) - 1);
	int rc;

	rc = check_access(verifier, at, base, insn->src, insn->off, bytes, false);
	if (rc != 0) {
		return rc;
	}
	if (base->kind == STACK) {
		uint8_t touched;
		const struct slot *slot = find_slot(verifier, at, state, base->smin + insn->off, bytes, &touched);

		if (slot == NULL) {
			return -EINVAL;
		}
		if ((slot->written & touched) != touched) {
			return REFUSE(verifier, at, "reads stack that was not written on every path to here");
		}
		if (bytes == 8 && slot->spilled.kind != UNSET) {
			loaded = slot->spilled;
		} else if (slot->spilled.kind != UNSET && slot->spilled.kind != NUMBER) {
			return REFUSE(verifier, at, "reads a part of an address from the stack");
		}
	}
	state->registers[insn->dst] = loaded;
	return 0;
}

static int
visit_store(const struct verifier *verifier, uint32_t at, const struct csd_insn *insn, struct state *state)
{
	const struct value *base = &state->registers[insn->dst];
	uint32_t bytes = access_bytes(insn);
	struct value stored = constant((int64_t)insn->imm);
	struct slot *slot;
	uint8_t touched;
	int rc;

	rc = check_access(verifier, at, base, insn->dst, insn->off, bytes, true);
	if (rc == 0 && BPF_CLASS(insn->code) == BPF_STX) {
		stored = state->registers[insn->src];
		rc = check_readable(verifier, at, &stored, insn->src);
	}
	if (rc != 0) {
		return rc;
	}
	if (is_address(&stored) && (base->kind != STACK || bytes != 8)) {
		return REFUSE(verifier, at, "stores the address of %s: addresses stay inside", kind_names[stored.kind]);
	}
	if (base->kind != STACK) {
		return 0;
	}
	slot = find_slot(verifier, at, state, base->smin + insn->off, bytes, &touched);
	if (slot == NULL) {
		return -EINVAL;
	}
	if (bytes == 8) {
		slot->spilled = stored;
		slot->written = 0xff;
		return 0;
	}
	if (slot->spilled.kind != UNSET && slot->spilled.kind != NUMBER) {
		slot->written = 0;	/* what is left of an address is nothing to read */
	}
	slot->spilled.kind = UNSET;
	slot->written |= touched;
	return 0;
}

static int
visit_ld_imm64(const struct verifier *verifier, uint32_t at, const struct csd_insn *insn, struct state *state)
{
	struct value *dst = &state->registers[insn->dst];
	uint32_t offset = insn[1].imm;
	uint32_t size;

	if (insn->src != CSD_EXTERN) {
		*dst = constant((uint32_t)insn[0].imm | (uint64_t)offset << 32);
		return 0;
	}
	switch (insn->imm) {
	case CSD_EXTERN_PARAMETERS:
		*dst = (struct value) {.kind = PARAMETERS};
		size = sizeof(struct csd_parameters);
		break;
	case CSD_EXTERN_STATE:
		*dst = (struct value) {.kind = STATE};
		size = verifier->code->geometry.state_bytes;
		if (size == 0) {
			return REFUSE(verifier, at, "uses csd_state, but the geometry gives it no bytes");
		}
		break;
	default:
		return REFUSE(verifier, at, "variable %d does not exist", insn->imm);
	}
	if (offset >= size) {
		return REFUSE(verifier, at, "address of byte %u of %s of %u", offset, kind_names[dst->kind], size);
	}
	*dst = (struct value) {.kind = dst->kind, .umax = UINT64_MAX, .smin = offset, .smax = offset};
	return 0;
}

/* --- what a branch tells --- */

/* Keeps what is true of `value` where it stands in this relation to a number between the other's bounds. */
static struct value
narrow(struct value value, uint8_t relation, const struct value *other)
{
	struct value narrowed = value;

	switch (relation) {
	case BPF_JEQ:
		narrowed.umin = value.umin > other->umin ? value.umin : other->umin;
		narrowed.umax = value.umax < other->umax ? value.umax : other->umax;
		narrowed.smin = value.smin > other->smin ? value.smin : other->smin;
		narrowed.smax = value.smax < other->smax ? value.smax : other->smax;
		break;
	case BPF_JNE:
		if (is_constant(other)) {	/* only the ends of a range can go */
			narrowed.umin += value.umin == other->umin && value.umin < value.umax;
			narrowed.umax -= value.umax == other->umin && value.umin < value.umax;
		}
		break;
	case BPF_JGT:
		if (other->umin == UINT64_MAX) {
			return value;
		}
		narrowed.umin = value.umin > other->umin + 1 ? value.umin : other->umin + 1;
		break;
	case BPF_JGE:
		narrowed.umin = value.umin > other->umin ? value.umin : other->umin;
		break;
	case BPF_JLT:
		if (other->umax == 0) {
			return value;
		}
		narrowed.umax = value.umax < other->umax - 1 ? value.umax : other->umax - 1;
		break;
	case BPF_JLE:
		narrowed.umax = value.umax < other->umax ? value.umax : other->umax;
		break;
	case BPF_JSGT:
		if (other->smin == INT64_MAX) {
			return value;
		}
		narrowed.smin = value.smin > other->smin + 1 ? value.smin : other->smin + 1;
		break;
	case BPF_JSGE:
		narrowed.smin = value.smin > other->smin ? value.smin : other->smin;
		break;
	case BPF_JSLT:
		if (other->smax == INT64_MIN) {
			return value;
		}
		narrowed.smax = value.smax < other->smax - 1 ? value.smax : other->smax - 1;
		break;
	case BPF_JSLE:
		narrowed.smax = value.smax < other->smax ? value.smax : other->smax;
		break;
	default:
		return value;
	}
	narrowed = agree(narrowed);
	/* A branch that cannot be taken is followed all the same, with what was known before. */
	return narrowed.umin > narrowed.umax || narrowed.smin > narrowed.smax ? value : narrowed;
}

/* The relation that holds where this one does not; and the one seen from the other side. */
static uint8_t
negated(uint8_t relation)
{
	switch (relation) {
	case BPF_JEQ: return BPF_JNE;
	case BPF_JNE: return BPF_JEQ;
	case BPF_JGT: return BPF_JLE;
	case BPF_JGE: return BPF_JLT;
	case BPF_JLT: return BPF_JGE;
	case BPF_JLE: return BPF_JGT;
	case BPF_JSGT: return BPF_JSLE;
	case BPF_JSGE: return BPF_JSLT;
	case BPF_JSLT: return BPF_JSGE;
	case BPF_JSLE: return BPF_JSGT;
	default: return BPF_JSET;
	}
}

static uint8_t
mirrored(uint8_t relation)
{
	switch (relation) {
	case BPF_JGT: return BPF_JLT;
	case BPF_JGE: return BPF_JLE;
	case BPF_JLT: return BPF_JGT;
	case BPF_JLE: return BPF_JGE;
	case BPF_JSGT: return BPF_JSLT;
	case BPF_JSGE: return BPF_JSLE;
	case BPF_JSLT: return BPF_JSGT;
	case BPF_JSLE: return BPF_JSGE;
	default: return relation;
	}
}

static int
hand_on(struct verifier *verifier, uint32_t to, const struct state *state)
{
	struct state *known = verifier->states[to];

	if (known == NULL) {
		known = malloc(sizeof(*known));
		if (known == NULL) {
			return -ENOMEM;
		}
		*known = *state;
		verifier->states[to] = known;
		return 0;
	}
	for (uint32_t i = 0; i < REGISTERS; i++) {
		known->registers[i] = hull(&known->registers[i], &state->registers[i]);
	}
	for (uint32_t i = 0; i < SLOTS; i++) {
		struct slot *a = &known->stack[i];
		const struct slot *b = &state->stack[i];
		bool address = a->spilled.kind > NUMBER || b->spilled.kind > NUMBER;

		a->spilled = hull(&a->spilled, &b->spilled);
		if (address && a->spilled.kind <= MIXED) {
			a->written = 0;
			a->spilled.kind = UNSET;
		}
		a->written &= b->written;
	}
	return 0;
}

static int
visit_branch(struct verifier *verifier, uint32_t at, const struct csd_insn *insn, struct state *state)
{
	uint8_t relation = BPF_OP(insn->code);
	bool from_register = BPF_SRC(insn->code) == BPF_X;
	const struct value dst = state->registers[insn->dst];
	const struct value src = from_register ? state->registers[insn->src] : constant((int64_t)insn->imm);
	int rc;

	rc = check_readable(verifier, at, &dst, insn->dst);
	if (rc == 0 && from_register) {
		rc = check_readable(verifier, at, &src, insn->src);
	}
	if (rc == 0 && (is_address(&dst) || is_address(&src))) {
		rc = REFUSE(verifier, at, "compares the address of %s", kind_names[is_address(&dst) ? dst.kind : src.kind]);
	}
	if (rc != 0) {
		return rc;
	}
	for (int taken = 0; taken < 2 && rc == 0; taken++) {
		uint8_t holds = taken ? relation : negated(relation);

		if (from_register && insn->src == insn->dst) {
			/* says nothing */
		} else {
			state->registers[insn->dst] = narrow(dst, holds, &src);
			if (from_register) {
				state->registers[insn->src] = narrow(src, mirrored(holds), &dst);
			}
		}
		rc = hand_on(verifier, at + 1 + (taken ? insn->off : 0), state);
	}
	return rc;
}

static int
visit(struct verifier *verifier, uint32_t at, struct state *state)
{
	const struct csd_insn *insn = &verifier->code->insns[at];
	int64_t next[2] = {0};
	int rc;

	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		rc = visit_alu(verifier, at, insn, state);
		break;
	case BPF_LD:
		rc = visit_ld_imm64(verifier, at, insn, state);
		break;
	case BPF_LDX:
		rc = visit_load(verifier, at, insn, state);
		break;
	case BPF_ST:
	case BPF_STX:
		rc = visit_store(verifier, at, insn, state);
		break;
	default:
		if (is_branch(insn)) {
			return visit_branch(verifier, at, insn, state);
		}
		if (BPF_OP(insn->code) == BPF_EXIT) {
			rc = check_readable(verifier, at, &state->registers[0], 0);
			if (rc == 0 && is_address(&state->registers[0])) {
				rc = REFUSE(verifier, at, "returns the address of %s: a program returns a verdict",
					    kind_names[state->registers[0].kind]);
			}
			return rc;
		}
		rc = 0;
		break;
	}
	if (rc != 0) {
		return rc;
	}
	successors(insn, at, next);
	return hand_on(verifier, next[0], state);
}

static int
interpret(struct verifier *verifier)
{
	struct state first = {0};
	int rc;

	first.registers[1] = (struct value) {.kind = RECORD, .umax = UINT64_MAX};
	first.registers[R_STACK] = (struct value) {.kind = STACK, .umax = UINT64_MAX};
	rc = hand_on(verifier, 0, &first);
	for (uint32_t i = 0; i < verifier->ordered && rc == 0; i++) {
		uint32_t at = verifier->order[i];
		struct state *state = verifier->states[at];

		verifier->states[at] = NULL;
		rc = visit(verifier, at, state);
		free(state);
	}
	for (uint32_t at = 0; at < verifier->code->count; at++) {
		free(verifier->states[at]);
	}
	return rc;
}

int
csd_verify(const struct csd_code *code, char reason[CSD_REASON_BYTES])
{
	struct verifier verifier = {
		.code = code,
		.reason = reason,
		.states = calloc(code->count, sizeof(*verifier.states)),
		.order = calloc(code->count, sizeof(*verifier.order)),
	};
	int rc = -ENOMEM;

	if (verifier.states != NULL && verifier.order != NULL) {
		rc = check_flow(&verifier);
		if (rc == 0) {
			rc = interpret(&verifier);
		}
	}
	free(verifier.order);
	free(verifier.states);
	return rc;
}
