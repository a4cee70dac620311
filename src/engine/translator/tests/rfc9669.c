/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Numbers of sections are RFC 9669's. */
#include <stdbool.h>
#include <string.h>

#include "rfc9669.h"

/* 3.3 */
enum {LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64};

/* 3.1 */
struct rfc_insn {
	uint8_t opcode, class, code;
	bool by_register;
	uint8_t dst, src;
	int16_t offset;
	int32_t imm;
};

struct rfc_frame {
	size_t back;		/* instruction to go on with in the caller */
	uint64_t saved[4];	/* its r6 to r9 */
};

struct rfc_state {
	struct rfc_machine *machine;
	uint64_t r[11];
	size_t pc;
	size_t depth;
	struct rfc_frame stack[RFC_FRAMES];
};

static const uint64_t rubbish = 0xbadc0ffee0ddf00dULL;

static struct rfc_insn
rfc_fetch(const struct rfc_machine *machine, size_t at)
{
	const uint8_t *bytes = machine->code + at * 8;

	return (struct rfc_insn) {
		.opcode = bytes[0], .class = bytes[0] & 7, .code = bytes[0] >> 4, .by_register = bytes[0] & 8,
		.dst = bytes[1] & 15, .src = bytes[1] >> 4, .offset = (int16_t)(bytes[2] | bytes[3] << 8),
		.imm = (int32_t)(bytes[4] | bytes[5] << 8 | bytes[6] << 16 | (uint32_t)bytes[7] << 24),
	};
}

/* The bytes at an address, if all of them are the program's. */
static uint8_t *
rfc_memory(struct rfc_state *state, uint64_t address, size_t bytes)
{
	struct rfc_machine *machine = state->machine;

	for (size_t i = 0; i < RFC_REGIONS + state->depth + 1; i++) {
		uint8_t *begin = i < RFC_REGIONS ? machine->regions[i].bytes : machine->frames[i - RFC_REGIONS];
		size_t length = i < RFC_REGIONS ? machine->regions[i].length : RFC_FRAME_BYTES;
		uint64_t from = address - (uint64_t)begin;

		if (from <= length && length - from >= bytes) {
			return begin + from;
		}
	}
	return NULL;
}

/* Little endian, byte by byte. */
static uint64_t
rfc_get(const uint8_t *memory, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++) {
		value |= (uint64_t)memory[i] << 8 * i;
	}
	return value;
}

static void
rfc_put(uint8_t *memory, size_t bytes, uint64_t value)
{
	for (size_t i = 0; i < bytes; i++) {
		memory[i] = value >> 8 * i;
	}
}

/* Sign extension of the lowest bits. */
static uint64_t
rfc_extend(uint64_t value, unsigned int bits)
{
	uint64_t sign = 1ULL << (bits - 1);

	if (bits < 64) {
		value &= (1ULL << bits) - 1;
	}
	return (value ^ sign) - sign;
}

/* As a signed number, without relying on what C does with one that is too large. */
static int64_t
rfc_signed(uint64_t value)
{
	return value >> 63 ? -(int64_t)~value - 1 : (int64_t)value;
}

/* 4.1: quotients and remainders; of signed numbers: truncated */
static uint64_t
rfc_divide(uint64_t a, uint64_t b, bool is_signed, bool remainder, unsigned int bits)
{
	uint64_t absolute_a, absolute_b, result;
	bool negative_a = is_signed && (a >> (bits - 1) & 1), negative_b = is_signed && (b >> (bits - 1) & 1);

	if (b == 0) {
		return remainder ? a : 0;
	}
	/* Signs and absolute values: the least number divided by -1 is itself, with remainder 0, by wrapping. */
	absolute_a = negative_a ? 0 - rfc_extend(a, bits) : a;
	absolute_b = negative_b ? 0 - rfc_extend(b, bits) : b;
	result = remainder ? absolute_a % absolute_b : absolute_a / absolute_b;
	if (remainder ? negative_a : negative_a != negative_b) {
		result = 0 - result;
	}
	return result;
}

static uint64_t
rfc_swap(uint64_t value, unsigned int bytes)
{
	uint64_t result = 0;

	for (unsigned int i = 0; i < bytes; i++) {
		result = result << 8 | (value >> 8 * i & 0xff);
	}
	return result;
}

/* 4.2 */
static enum rfc_end
rfc_byte_swap(struct rfc_state *state, const struct rfc_insn *insn)
{
	uint64_t *dst = &state->r[insn->dst];

	if (insn->imm != 16 && insn->imm != 32 && insn->imm != 64) {
		return RFC_INVALID;
	}
	if (insn->class == ALU && !insn->by_register) {
		*dst = insn->imm == 64 ? *dst : *dst & ((1ULL << insn->imm) - 1);
	} else if (insn->class == ALU || !insn->by_register) {
		*dst = rfc_swap(*dst, insn->imm / 8);
	} else {
		return RFC_INVALID;
	}
	return RFC_DONE;
}

/* 4.1 */
static enum rfc_end
rfc_arithmetic(struct rfc_state *state, const struct rfc_insn *insn)
{
	unsigned int bits = insn->class == ALU64 ? 64 : 32;
	uint64_t mask = bits == 64 ? UINT64_MAX : UINT32_MAX;
	uint64_t a = state->r[insn->dst] & mask;
	uint64_t b = (insn->by_register ? state->r[insn->src] : rfc_extend((uint32_t)insn->imm, 32)) & mask;
	unsigned int shift = b & (bits - 1);
	uint64_t result;

	switch (insn->code) {
	case 0x0: result = a + b; break;
	case 0x1: result = a - b; break;
	case 0x2: result = a * b; break;
	case 0x3:
	case 0x9:
		if (insn->offset != 0 && insn->offset != 1) {
			return RFC_INVALID;
		}
		result = rfc_divide(a, b, insn->offset == 1, insn->code == 0x9, bits);
		break;
	case 0x4: result = a | b; break;
	case 0x5: result = a & b; break;
	case 0x6: result = a << shift; break;
	case 0x7: result = a >> shift; break;
	case 0x8: result = 0 - a; break;
	case 0xa: result = a ^ b; break;
	case 0xb:
		result = insn->offset == 0 ? b : rfc_extend(b, insn->offset);
		break;
	case 0xc:
		result = a >> shift;
		if (shift > 0 && (a >> (bits - 1) & 1)) {
			result |= mask << (bits - shift);
		}
		break;
	case 0xd:
		return rfc_byte_swap(state, insn);
	default:
		return RFC_INVALID;
	}
	state->r[insn->dst] = result & mask;
	return RFC_DONE;
}

static size_t
rfc_size(const struct rfc_insn *insn)
{
	static const size_t sizes[] = {4, 2, 1, 8};

	return sizes[insn->opcode >> 3 & 3];
}

/* 5.3 */
static enum rfc_end
rfc_atomic(struct rfc_state *state, const struct rfc_insn *insn)
{
	size_t bytes = rfc_size(insn);
	uint64_t address = state->r[insn->dst] + (uint64_t)insn->offset;
	uint8_t *memory = rfc_memory(state, address, bytes);
	uint64_t mask = bytes == 8 ? UINT64_MAX : UINT32_MAX;
	uint64_t old, src = state->r[insn->src] & mask;

	if (bytes < 4) {
		return RFC_INVALID;
	}
	if (memory == NULL || address % bytes != 0) {
		return RFC_FAULT;
	}
	old = rfc_get(memory, bytes);
	switch (insn->imm) {
	case 0x00: case 0x01: rfc_put(memory, bytes, old + src); break;
	case 0x40: case 0x41: rfc_put(memory, bytes, old | src); break;
	case 0x50: case 0x51: rfc_put(memory, bytes, old & src); break;
	case 0xa0: case 0xa1: rfc_put(memory, bytes, old ^ src); break;
	case 0xe1: rfc_put(memory, bytes, src); break;
	case 0xf1:
		if (old == (state->r[0] & mask)) {
			rfc_put(memory, bytes, src);
		}
		state->r[0] = old;
		return RFC_DONE;
	default:
		return RFC_INVALID;
	}
	if (insn->imm & 1) {
		state->r[insn->src] = old;
	}
	return RFC_DONE;
}

/* 5.1, 5.2, 5.4 */
static enum rfc_end
rfc_load_store(struct rfc_state *state, const struct rfc_insn *insn)
{
	size_t bytes = rfc_size(insn);
	uint8_t mode = insn->opcode >> 5, base = insn->class == LDX ? insn->src : insn->dst;
	uint8_t *memory;

	if (insn->class == LD) {
		uint8_t region = state->machine->address_of != NULL ? state->machine->address_of[state->pc - 1] : 0;

		if (insn->opcode != 0x18 || insn->src != 0 || state->pc >= state->machine->count) {
			return RFC_INVALID;
		}
		state->r[insn->dst] = (uint32_t)insn->imm | (uint64_t)(uint32_t)rfc_fetch(state->machine, state->pc).imm << 32;
		if (region > 0) {
			state->r[insn->dst] += (uint64_t)state->machine->regions[region - 1].bytes;
		}
		state->pc++;
		return RFC_DONE;
	}
	if (insn->class == STX && mode == 6) {
		return rfc_atomic(state, insn);
	}
	if (mode != 3 && !(mode == 4 && insn->class == LDX && bytes < 8)) {
		return RFC_INVALID;
	}
	memory = rfc_memory(state, state->r[base] + (uint64_t)insn->offset, bytes);
	if (memory == NULL) {
		return RFC_FAULT;
	}
	if (insn->class == LDX) {
		state->r[insn->dst] = rfc_get(memory, bytes);
		if (mode == 4) {
			state->r[insn->dst] = rfc_extend(state->r[insn->dst], bytes * 8);
		}
	} else {
		rfc_put(memory, bytes, insn->class == ST ? rfc_extend((uint32_t)insn->imm, 32) : state->r[insn->src]);
	}
	return RFC_DONE;
}

/* 4.3 */
static bool
rfc_condition(const struct rfc_state *state, const struct rfc_insn *insn)
{
	uint64_t a = state->r[insn->dst];
	uint64_t b = insn->by_register ? state->r[insn->src] : rfc_extend((uint32_t)insn->imm, 32);
	int64_t signed_a, signed_b;

	if (insn->class == JMP32) {
		a &= UINT32_MAX;
		b &= UINT32_MAX;
		signed_a = rfc_signed(rfc_extend(a, 32));
		signed_b = rfc_signed(rfc_extend(b, 32));
	} else {
		signed_a = rfc_signed(a);
		signed_b = rfc_signed(b);
	}
	switch (insn->code) {
	case 0x1: return a == b;
	case 0x2: return a > b;
	case 0x3: return a >= b;
	case 0x4: return (a & b) != 0;
	case 0x5: return a != b;
	case 0x6: return signed_a > signed_b;
	case 0x7: return signed_a >= signed_b;
	case 0xa: return a < b;
	case 0xb: return a <= b;
	case 0xc: return signed_a < signed_b;
	default: return signed_a <= signed_b;
	}
}

static void
rfc_enter(struct rfc_state *state)
{
	memset(state->machine->frames[state->depth], 0, RFC_FRAME_BYTES);
	state->r[0] = rubbish;
	for (size_t i = 6; i < 10; i++) {
		state->r[i] = rubbish + i;
	}
	state->r[10] = (uint64_t)(state->machine->frames[state->depth] + RFC_FRAME_BYTES);
}

/* 4.3.2; what a call does to registers is the calling convention that clang keeps. */
static enum rfc_end
rfc_call(struct rfc_state *state, const struct rfc_insn *insn)
{
	struct rfc_frame *frame = &state->stack[state->depth];

	if (insn->class != JMP || insn->src != 1 || state->depth + 1 == RFC_FRAMES) {
		return RFC_INVALID;
	}
	frame->back = state->pc;
	memcpy(frame->saved, &state->r[6], sizeof(frame->saved));
	state->depth++;
	state->pc += (uint64_t)insn->imm;
	rfc_enter(state);
	return RFC_DONE;
}

static void
rfc_leave(struct rfc_state *state)
{
	const struct rfc_frame *frame = &state->stack[--state->depth];

	state->pc = frame->back;
	memcpy(&state->r[6], frame->saved, sizeof(frame->saved));
	for (size_t i = 1; i < 6; i++) {
		state->r[i] = rubbish - i;
	}
	state->r[10] = (uint64_t)(state->machine->frames[state->depth] + RFC_FRAME_BYTES);
}

static enum rfc_end
rfc_step(struct rfc_state *state, const struct rfc_insn *insn)
{
	if (insn->dst > 10 || insn->src > 10) {
		return RFC_INVALID;
	}
	switch (insn->class) {
	case ALU:
	case ALU64:
		return rfc_arithmetic(state, insn);
	case JMP:
	case JMP32:
		break;
	default:
		return rfc_load_store(state, insn);
	}
	switch (insn->code) {
	case 0x0:
		state->pc += insn->class == JMP ? (uint64_t)insn->offset : (uint64_t)insn->imm;
		return RFC_DONE;
	case 0x8:
		return rfc_call(state, insn);
	case 0x9: case 0xe: case 0xf:
		return RFC_INVALID;	/* EXIT of 64 bits is rfc_run()'s */
	default:
		if (rfc_condition(state, insn)) {
			state->pc += (uint64_t)insn->offset;
		}
		return RFC_DONE;
	}
}

enum rfc_end
rfc_run(struct rfc_machine *machine, const uint64_t arguments[5], uint64_t *result)
{
	struct rfc_state state = {.machine = machine, .pc = machine->entry};

	rfc_enter(&state);
	memcpy(&state.r[1], arguments, 5 * sizeof(arguments[0]));
	while (state.pc < machine->count) {
		struct rfc_insn insn = rfc_fetch(machine, state.pc++);
		enum rfc_end end;

		if (machine->steps-- == 0) {
			return RFC_TOO_LONG;
		}
		if (insn.opcode == 0x95) {
			if (state.depth == 0) {
				*result = state.r[0];
				return RFC_DONE;
			}
			rfc_leave(&state);
			continue;
		}
		end = rfc_step(&state, &insn);
		if (end != RFC_DONE) {
			return end;
		}
	}
	return RFC_INVALID;
}
