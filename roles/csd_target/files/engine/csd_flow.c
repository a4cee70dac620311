/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csd_flow.h"
#include "csd_insn.h"

#define REGISTERS	11
#define R_STACK		10

int
csd_doubt_say(struct csd_doubt *doubt, uint32_t instruction, bool certain, const char *format, ...)
{
	va_list arguments;

	doubt->instruction = instruction;
	doubt->certain = certain;
	va_start(arguments, format);
	vsnprintf(doubt->words, sizeof(doubt->words), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int
check_alu(const struct csd_flow *flow, uint32_t at, const struct csd_insn *insn)
{
	uint8_t operation = BPF_OP(insn->code);
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64;
	bool from_register = BPF_SRC(insn->code) == BPF_X;
	uint32_t bits = wide ? 64 : 32;

	if (operation > BPF_END || (operation == BPF_END && wide) || (operation == BPF_NEG && from_register)) {
		return REFUSE(flow, at, "opcode %02xh is unknown", insn->code);
	}
	if (operation == BPF_ARSH && !wide) {
		return REFUSE(flow, at, "opcode %02xh: 32-bit arithmetic shifts are not supported (compile with -mcpu=v2)",
			      insn->code);
	}
	if (insn->off != 0) {
		return REFUSE(flow, at, "opcode %02xh with an offset: signed division and moves are not supported "
			      "(compile with -mcpu=v2)", insn->code);
	}
	if (operation == BPF_END) {
		if (!from_register) {	/* the interpreter does not cut the number off, the JIT does */
			return REFUSE(flow, at, "opcode %02xh: conversion to little endian, which numbers are already",
				      insn->code);
		}
		if (insn->src != 0 || (insn->imm != 16 && insn->imm != 32 && insn->imm != 64)) {
			return REFUSE(flow, at, "byte swap of %d bits; 16, 32 and 64 are possible", insn->imm);
		}
		return 0;
	}
	if (operation == BPF_NEG ? insn->src != 0 || insn->imm != 0 : from_register ? insn->imm != 0 : insn->src != 0) {
		return REFUSE(flow, at, "opcode %02xh: an unused field is not zero", insn->code);
	}
	if (operation == BPF_LSH || operation == BPF_RSH || operation == BPF_ARSH) {
		if (!from_register && (uint32_t)insn->imm >= bits) {
			return REFUSE(flow, at, "shift of %u bits by %d", bits, insn->imm);
		}
		if (from_register && insn->src == insn->dst) {	/* the JIT gets it wrong */
			return REFUSE(flow, at, "shift of r%u by itself", insn->dst);
		}
	}
	if (operation == BPF_DIV || operation == BPF_MOD) {
		if (!from_register && insn->imm == 0) {
			return REFUSE(flow, at, "division by zero");
		}
		if (from_register && insn->src == insn->dst) {	/* the JIT gets it wrong */
			return REFUSE(flow, at, "division of r%u by itself", insn->dst);
		}
		if (from_register && !wide) {	/* the JIT spoils r0's upper half */
			return REFUSE(flow, at, "32-bit division by a register is not supported (compile with -mcpu=v2)");
		}
	}
	return 0;
}

static int
check_jump(const struct csd_flow *flow, uint32_t at, const struct csd_insn *insn)
{
	uint8_t operation = BPF_OP(insn->code);
	bool from_register = BPF_SRC(insn->code) == BPF_X;

	if (BPF_CLASS(insn->code) == BPF_JMP32) {
		return REFUSE(flow, at, "opcode %02xh: 32-bit jumps are not supported (compile with -mcpu=v2)", insn->code);
	}
	if (insn->code == (BPF_JMP | BPF_CALL)) {
		if (insn->src == BPF_PSEUDO_CALL) {
			return REFUSE(flow, at, "calls a function: a program is one function (__always_inline helps)");
		}
		if (insn->src == 0 && insn->imm == BPF_FUNC_tail_call) {
			return REFUSE(flow, at, "tail call: a program ends with its own verdict");
		}
		return REFUSE(flow, at, "calls helper %d: programs inside a drive have no helpers", insn->imm);
	}
	if (insn->code == (BPF_JMP | BPF_EXIT) || insn->code == (BPF_JMP | BPF_JA)) {
		bool exits = operation == BPF_EXIT;

		return insn->dst != 0 || insn->src != 0 || insn->imm != 0 || (exits && insn->off != 0) ?
		       REFUSE(flow, at, "opcode %02xh: an unused field is not zero", insn->code) : 0;
	}
	if (operation == BPF_JA || operation == BPF_CALL || operation == BPF_EXIT || operation > BPF_JSLE) {
		return REFUSE(flow, at, "opcode %02xh is unknown", insn->code);
	}
	if (operation == BPF_JSET && !from_register) {	/* the JIT gets it wrong */
		return REFUSE(flow, at, "opcode %02xh: a jump on bits of a constant is not supported (mask, then compare)",
			      insn->code);
	}
	if (from_register ? insn->imm != 0 : insn->src != 0) {
		return REFUSE(flow, at, "opcode %02xh: an unused field is not zero", insn->code);
	}
	return 0;
}

static int
check_memory(const struct csd_flow *flow, uint32_t at, const struct csd_insn *insn)
{
	uint8_t class = BPF_CLASS(insn->code), mode = BPF_MODE(insn->code);
	const struct csd_insn *second = insn + 1;

	if (class == BPF_LD && (mode == BPF_ABS || mode == BPF_IND)) {
		return REFUSE(flow, at, "opcode %02xh loads from a packet: a program has a record", insn->code);
	}
	if (class == BPF_STX && mode == BPF_ATOMIC && (BPF_SIZE(insn->code) == BPF_W || BPF_SIZE(insn->code) == BPF_DW)) {
		return REFUSE(flow, at, "atomic operation: the state belongs to one run, so a plain one does");
	}
	if (csd_is_ld_imm64(insn)) {
		if (at + 1 >= flow->code->count) {
			return REFUSE(flow, at, "the second half of this ld_imm64 is missing");
		}
		if (second->code != 0 || second->dst != 0 || second->src != 0 || second->off != 0 || insn->off != 0) {
			return REFUSE(flow, at, "this ld_imm64 has a second half, or a field, that cannot be");
		}
		return insn->src > CSD_EXTERN ? REFUSE(flow, at, "ld_imm64 of kind %u: no maps, no data of a program's own",
						       insn->src) : 0;
	}
	if (class == BPF_LD || mode != BPF_MEM) {
		return REFUSE(flow, at, "opcode %02xh is unknown%s", insn->code,
			      class == BPF_LDX && mode == 0x80 ? ": loads with sign are not supported (compile with -mcpu=v2)" : "");
	}
	if (class == BPF_ST ? insn->src != 0 : insn->imm != 0) {
		return REFUSE(flow, at, "opcode %02xh: an unused field is not zero", insn->code);
	}
	return 0;
}

static int
check_form(const struct csd_flow *flow, uint32_t at)
{
	const struct csd_insn *insn = &flow->code->insns[at];
	uint8_t class = BPF_CLASS(insn->code);
	bool writes = class == BPF_ALU || class == BPF_ALU64 || class == BPF_LDX || class == BPF_LD;
	int rc;

	switch (class) {
	case BPF_ALU:
	case BPF_ALU64:
		rc = check_alu(flow, at, insn);
		break;
	case BPF_JMP:
	case BPF_JMP32:
		rc = check_jump(flow, at, insn);
		break;
	default:
		rc = check_memory(flow, at, insn);
		break;
	}
	if (rc != 0) {
		return rc;
	}
	if (insn->dst >= REGISTERS || insn->src >= REGISTERS) {
		return REFUSE(flow, at, "register %u does not exist", insn->dst >= REGISTERS ? insn->dst : insn->src);
	}
	if (writes && insn->dst == R_STACK) {
		return REFUSE(flow, at, "writes to r10, the address of the stack");
	}
	return 0;
}

static int
check_jumps(const struct csd_flow *flow, const bool *begins)
{
	for (uint32_t at = 0; at < flow->code->count; at++) {
		int64_t next[2];
		uint32_t count = begins[at] ? csd_successors(&flow->code->insns[at], at, next) : 0;

		for (uint32_t i = 0; i < count; i++) {
			if (next[i] == flow->code->count) {
				return REFUSE(flow, at, "the program runs, or jumps, past its end: exit is missing");
			}
			if (next[i] < 0 || next[i] > flow->code->count) {
				return REFUSE(flow, at, "jump to instruction %lld, outside of the program of %u",
					      (long long)next[i], flow->code->count);
			}
			if (!begins[next[i]]) {
				return REFUSE(flow, at, "jump to instruction %lld, into the middle of an ld_imm64",
					      (long long)next[i]);
			}
		}
	}
	return 0;
}

/* Depth first, without recursion; fills flow->order. Refuses loops. */
static int
sort(struct csd_flow *flow, uint8_t *visited, uint32_t *trail, uint8_t *taken)
{
	enum { NEW, OPEN, DONE };
	uint32_t depth = 0, place = flow->code->count;

	trail[depth++] = 0;
	visited[0] = OPEN;
	while (depth > 0) {
		uint32_t at = trail[depth - 1];
		int64_t next[2];

		if (taken[at] == csd_successors(&flow->code->insns[at], at, next)) {
			visited[at] = DONE;
			flow->order[--place] = at;
			depth--;
			continue;
		}
		uint32_t to = next[taken[at]++];

		if (visited[to] == OPEN) {
			return REFUSE(flow, at, "jumps back to instruction %u: a loop (unroll it)", to + flow->code->first);
		}
		if (visited[to] == NEW) {
			visited[to] = OPEN;
			trail[depth++] = to;
		}
	}
	flow->ordered = flow->code->count - place;
	memmove(flow->order, flow->order + place, flow->ordered * sizeof(*flow->order));
	return 0;
}

static int
check_paths(const struct csd_flow *flow, uint64_t *paths)
{
	uint64_t total = 0;

	paths[0] = 1;
	for (uint32_t i = 0; i < flow->ordered; i++) {
		uint32_t at = flow->order[i];
		int64_t next[2];
		uint32_t count = csd_successors(&flow->code->insns[at], at, next);

		total += paths[at];
		if (total > CSD_MAX_PATH_INSTRUCTIONS) {	/* before the counts can overflow: they only add up here */
			return REFUSE(flow, CSD_DOUBT_NOWHERE, "too many paths: more than %u instructions along all paths "
				      "(fewer branches: compute instead of branching)", CSD_MAX_PATH_INSTRUCTIONS);
		}
		for (uint32_t k = 0; k < count; k++) {
			paths[next[k]] += paths[at];
		}
	}
	return 0;
}

int
csd_flow_check(struct csd_flow *flow)
{
	uint32_t count = flow->code->count;
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
		rc = !flow->worker ? check_form(flow, at) : flow->code->insns[at].code != (BPF_JMP | BPF_CALL) ? 0 :
		     REFUSE(flow, at, "calls something");
		at += csd_is_ld_imm64(&flow->code->insns[at]);
	}
	if (rc == 0) {
		rc = check_jumps(flow, begins);
	}
	if (rc == 0) {
		rc = sort(flow, visited, trail, taken);
	}
	for (uint32_t at = 0; rc == 0 && !flow->worker && at < count; at++) {
		if (begins[at] && visited[at] == 0) {
			rc = REFUSE(flow, at, "cannot be reached");
		}
	}
	if (rc == 0 && !flow->worker) {
		rc = check_paths(flow, paths);
	}
	free(paths);
	free(trail);
	free(taken);
	free(visited);
	free(begins);
	return rc;
}
