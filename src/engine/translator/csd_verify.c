/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * An abstract interpretation: instructions are visited once, in an order in which each comes behind all that lead to it
 * (there are no loops), over what is known of registers and stack on any path to them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "csd_flow.h"
#include "csd_insn.h"
#include "csd_value.h"
#include "csd_verify.h"

#define REGISTERS	11
#define R_STACK		10
#define SLOTS		(CSD_MAX_STACK_BYTES / 8)

static const char *const kind_names[] = {
	[RECORD] = "the record", [PARAMETERS] = "the parameters", [STATE] = "the state", [STACK] = "the stack",
};

struct slot {
	struct csd_value spilled;	/* kind UNSET: not one value of 8 bytes */
	uint8_t written;	/* a bit for each byte */
};

struct state {
	struct csd_value registers[REGISTERS];
	struct slot stack[SLOTS];
	bool unlikely;		/* every path to here has a branch that cannot be taken: nothing is certain */
};

struct verifier {
	const struct csd_code *code;
	struct csd_doubt *doubt;
	struct state **states;	/* on entry of an instruction; NULL: none yet, or done */
	struct csd_flow flow;
};

/* What is wrong for certain, if the instruction runs at all. */
#define CERTAIN(verifier, at, format, ...)	csd_doubt_say((verifier)->doubt, at, true, format, ##__VA_ARGS__)

static uint32_t
verify_access_bytes(const struct csd_insn *insn)
{
	static const uint8_t bytes[] = {[BPF_W >> 3] = 4, [BPF_H >> 3] = 2, [BPF_B >> 3] = 1, [BPF_DW >> 3] = 8};

	return bytes[BPF_SIZE(insn->code) >> 3];
}

static int
verify_check_readable(const struct verifier *verifier, uint32_t at, const struct csd_value *value, uint32_t reg)
{
	if (value->kind < NUMBER) {
		return csd_doubt_say(verifier->doubt, at, value->kind == UNSET,
				     "reads r%u, which was not written on every path to here", reg);
	}
	if (value->kind == MIXED) {
		return REFUSE(verifier, at, "r%u is an address or something else, depending on the path to here", reg);
	}
	return 0;
}

static int
verify_visit_address_arithmetic(const struct verifier *verifier, uint32_t at, const struct csd_insn *insn,
				struct csd_value *dst, const struct csd_value *src)
{
	const int64_t reach = 1 << 24;
	uint8_t operation = BPF_OP(insn->code);
	struct csd_value result;

	if (operation == BPF_MOV && BPF_CLASS(insn->code) == BPF_ALU64 && insn->off == 0) {
		*dst = *src;
		return 0;
	}
	if (BPF_CLASS(insn->code) != BPF_ALU64 || (operation != BPF_ADD && operation != BPF_SUB) ||
	    (csd_is_address(dst) && csd_is_address(src)) || (operation == BPF_SUB && csd_is_address(src))) {
		return REFUSE(verifier, at, "arithmetic on the address of %s: numbers may be added to it or subtracted",
			      kind_names[csd_is_address(dst) ? dst->kind : src->kind]);
	}
	/* The unsigned ranges of addresses mean nothing, but are kept apart from numbers' by csd_any_number. */
	result = operation == BPF_ADD ? csd_add(dst, src) : csd_subtract(dst, src);
	result.kind = csd_is_address(dst) ? dst->kind : src->kind;
	result.umin = 0;
	result.umax = UINT64_MAX;
	if (result.smin < -reach || result.smax > reach) {
		return REFUSE(verifier, at, "an address in %s, moved by what may be any number: mask or compare it first",
			      kind_names[result.kind]);
	}
	*dst = result;
	return 0;
}

/* Signed division and moves, 32-bit arithmetic shifts: of these nothing is said but how wide they are. */
static bool
verify_visit_other_alu(const struct csd_insn *insn, struct csd_value *result)
{
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64;

	if (insn->off == 0 && (wide || BPF_OP(insn->code) != BPF_ARSH)) {
		return false;
	}
	*result = wide ? csd_any_number : csd_unsigned_range(0, UINT32_MAX);
	return true;
}

static int
verify_visit_alu(const struct verifier *verifier, uint32_t at, const struct csd_insn *insn, struct state *state)
{
	uint8_t operation = BPF_OP(insn->code);
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64;
	struct csd_value *dst = &state->registers[insn->dst];
	struct csd_value src = csd_constant((int64_t)insn->imm);
	struct csd_value result;
	int rc = 0;

	if (operation == BPF_END || operation == BPF_NEG) {
		rc = verify_check_readable(verifier, at, dst, insn->dst);
		if (rc == 0 && csd_is_address(dst)) {
			rc = REFUSE(verifier, at, "arithmetic on the address of %s", kind_names[dst->kind]);
		}
		if (rc == 0) {
			*dst = operation == BPF_NEG ? (wide ? csd_any_number : csd_unsigned_range(0, UINT32_MAX)) :
			       insn->imm == 64 ? csd_any_number : csd_unsigned_range(0, (1ULL << insn->imm) - 1);
		}
		return rc;
	}
	if (BPF_SRC(insn->code) == BPF_X) {
		if (operation == BPF_XOR && insn->src == insn->dst) {	/* a way to write zero */
			*dst = csd_constant(0);
			return 0;
		}
		src = state->registers[insn->src];
		rc = verify_check_readable(verifier, at, &src, insn->src);
	}
	if (rc == 0 && operation != BPF_MOV) {
		rc = verify_check_readable(verifier, at, dst, insn->dst);
	}
	if (rc != 0) {
		return rc;
	}
	if (csd_is_address(&src) || (operation != BPF_MOV && csd_is_address(dst))) {
		return verify_visit_address_arithmetic(verifier, at, insn, dst, &src);
	}
	result = operation == BPF_MOV ? csd_any_number : *dst;
	if (!wide) {
		result = csd_low_half(result);
		src = csd_low_half(src);
	}
	if (verify_visit_other_alu(insn, &result)) {
		*dst = result;
		return 0;
	}
	if ((operation == BPF_DIV || operation == BPF_MOD) && src.umin == 0) {
		/* RFC 9669, 4.1: the quotient is 0 then, the rest what was divided. */
		*dst = csd_unsigned_range(0, result.umax);
		return 0;
	}
	result = csd_calculate(operation, &result, &src, wide ? 64 : 32);
	*dst = wide ? result : csd_low_half(result);
	return 0;
}

/* The stack slot of an access, whose offset is known; NULL with a reason. */
static struct slot *
verify_find_slot(const struct verifier *verifier, uint32_t at, struct state *state, int64_t offset, uint32_t bytes,
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
verify_check_access(const struct verifier *verifier, uint32_t at, const struct csd_value *base, uint32_t reg,
		    int16_t displacement, uint32_t bytes, bool store)
{
	const struct csd_geometry *geometry = &verifier->code->geometry;
	const char *what = store ? "store" : "load";
	int64_t first, last, size;
	int rc;

	rc = verify_check_readable(verifier, at, base, reg);
	if (rc != 0) {
		return rc;
	}
	if (!csd_is_address(base)) {
		return REFUSE(verifier, at, "%s at r%u, which is a number, not an address", what, reg);
	}
	if (store && (base->kind == RECORD || base->kind == PARAMETERS)) {
		/* A worker has its records read-only. Its parameters it could spoil, for itself. */
		return csd_doubt_say(verifier->doubt, at, base->kind == RECORD,
				     "store to %s: a program writes its state and its stack only", kind_names[base->kind]);
	}
	first = base->smin + displacement;
	last = base->smax + displacement;
	if (base->kind == STACK) {
		if (first != last) {
			return REFUSE(verifier, at, "%s at a variable place of the stack", what);
		}
		return first < -CSD_MAX_STACK_BYTES || first > -(int64_t)bytes ?
		       CERTAIN(verifier, at, "%s of %u bytes at offset %lld of a stack of %u", what, bytes, (long long)first,
			      CSD_MAX_STACK_BYTES) : 0;
	}
	size = base->kind == RECORD ? geometry->record_bytes : base->kind == STATE ? geometry->state_bytes :
	       (int64_t)sizeof(struct csd_parameters);
	if (first >= 0 && last + bytes <= size) {
		return 0;
	}
	if (first == last) {
		return CERTAIN(verifier, at, "%s of %u bytes at offset %lld of %s of %lld", what, bytes, (long long)first,
			      base->kind == RECORD ? "a record" : kind_names[base->kind], (long long)size);
	}
	return csd_doubt_say(verifier->doubt, at, last < 0 || first + bytes > size,
			     "%s of %u bytes at offset %lld to %lld of %s of %lld", what, bytes, (long long)first, (long long)last,
			     base->kind == RECORD ? "a record" : kind_names[base->kind], (long long)size);
}

static int
verify_visit_load(const struct verifier *verifier, uint32_t at, const struct csd_insn *insn, struct state *state)
{
	const struct csd_value *base = &state->registers[insn->src];
	uint32_t bytes = verify_access_bytes(insn);
	struct csd_value loaded = bytes == 8 || BPF_MODE(insn->code) == BPF_MEMSX ? csd_any_number : csd_unsigned_range(0, (1ULL << 8 * bytes) - 1);
	int rc;

	rc = verify_check_access(verifier, at, base, insn->src, insn->off, bytes, false);
	if (rc != 0) {
		return rc;
	}
	if (base->kind == STACK) {
		uint8_t touched;
		const struct slot *slot = verify_find_slot(verifier, at, state, base->smin + insn->off, bytes,
							   &touched);

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
verify_visit_store(const struct verifier *verifier, uint32_t at, const struct csd_insn *insn, struct state *state)
{
	const struct csd_value *base = &state->registers[insn->dst];
	uint32_t bytes = verify_access_bytes(insn);
	struct csd_value stored = csd_constant((int64_t)insn->imm);
	struct slot *slot;
	uint8_t touched;
	int rc;

	rc = verify_check_access(verifier, at, base, insn->dst, insn->off, bytes, true);
	if (rc == 0 && BPF_CLASS(insn->code) == BPF_STX) {
		stored = state->registers[insn->src];
		rc = verify_check_readable(verifier, at, &stored, insn->src);
	}
	if (rc != 0) {
		return rc;
	}
	if (csd_is_address(&stored) && (base->kind != STACK || bytes != 8)) {
		return REFUSE(verifier, at, "stores the address of %s: addresses stay inside", kind_names[stored.kind]);
	}
	if (base->kind != STACK) {
		return 0;
	}
	slot = verify_find_slot(verifier, at, state, base->smin + insn->off, bytes, &touched);
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

/* A register that an atomic operation calculates with, or compares. */
static int
verify_check_number(const struct verifier *verifier, uint32_t at, const struct state *state, uint8_t reg)
{
	const struct csd_value *value = &state->registers[reg];
	int rc = verify_check_readable(verifier, at, value, reg);

	if (rc == 0 && csd_is_address(value)) {
		rc = REFUSE(verifier, at, "arithmetic on the address of %s", kind_names[value->kind]);
	}
	return rc;
}

/* Whatever it finds and leaves is any number. */
static int
verify_visit_atomic(const struct verifier *verifier, uint32_t at, const struct csd_insn *insn, struct state *state)
{
	const struct csd_insn load = {.code = BPF_LDX | BPF_MEM | BPF_SIZE(insn->code), .src = insn->dst, .off = insn->off};
	const struct csd_insn store = {
		.code = BPF_STX | BPF_MEM | BPF_SIZE(insn->code), .dst = insn->dst, .src = insn->src, .off = insn->off,
	};
	const struct csd_value base = state->registers[insn->dst], src = state->registers[insn->src];
	const struct csd_value kept = state->registers[load.dst];
	uint32_t bytes = verify_access_bytes(insn);
	int rc;

	rc = verify_check_number(verifier, at, state, insn->src);
	if (rc == 0 && insn->imm == BPF_CMPXCHG) {
		rc = verify_check_number(verifier, at, state, 0);
	}
	if (rc == 0 && base.kind == STACK) {	/* what it finds there */
		rc = verify_visit_load(verifier, at, &load, state);
		if (rc == 0) {
			rc = verify_check_number(verifier, at, state, load.dst);
		}
		state->registers[load.dst] = kept;
	}
	if (rc == 0) {
		state->registers[insn->src] = csd_any_number;
		rc = verify_visit_store(verifier, at, &store, state);
		state->registers[insn->src] = src;
	}
	if (rc == 0 && base.kind == STATE && (base.smin != base.smax || (base.smin + insn->off) % bytes != 0)) {
		rc = REFUSE(verifier, at, "atomic operation at a place of the state that may be misaligned");
	}
	if (rc == 0 && (insn->imm & BPF_FETCH)) {
		state->registers[insn->imm == BPF_CMPXCHG ? 0 : insn->src] = bytes == 8 ? csd_any_number :
									      csd_unsigned_range(0, UINT32_MAX);
	}
	return rc;
}

static int
verify_visit_ld_imm64(const struct verifier *verifier, uint32_t at, const struct csd_insn *insn, struct state *state)
{
	struct csd_value *dst = &state->registers[insn->dst];
	uint32_t offset = insn[1].imm;
	uint32_t size;

	if (insn->src != CSD_EXTERN) {
		*dst = csd_constant((uint32_t)insn[0].imm | (uint64_t)offset << 32);
		return 0;
	}
	switch (insn->imm) {
	case CSD_EXTERN_PARAMETERS:
		*dst = (struct csd_value) {.kind = PARAMETERS};
		size = sizeof(struct csd_parameters);
		break;
	case CSD_EXTERN_STATE:
		*dst = (struct csd_value) {.kind = STATE};
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
	*dst = (struct csd_value) {.kind = dst->kind, .umax = UINT64_MAX, .smin = offset, .smax = offset};
	return 0;
}

static int
verify_propagate(struct verifier *verifier, uint32_t to, const struct state *state)
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
	known->unlikely = known->unlikely && state->unlikely;
	for (uint32_t i = 0; i < REGISTERS; i++) {
		known->registers[i] = csd_hull(&known->registers[i], &state->registers[i]);
	}
	for (uint32_t i = 0; i < SLOTS; i++) {
		struct slot *a = &known->stack[i];
		const struct slot *b = &state->stack[i];
		bool address = a->spilled.kind > NUMBER || b->spilled.kind > NUMBER;

		a->spilled = csd_hull(&a->spilled, &b->spilled);
		if (a->spilled.kind == PARTLY) {
			a->spilled.kind = UNSET;
		}
		if (address && a->spilled.kind <= MIXED) {
			a->written = 0;
			a->spilled.kind = UNSET;
		}
		a->written &= b->written;
	}
	return 0;
}

/* Whether a comparison of the lower halves is one of the whole numbers. */
static bool
verify_halves_tell(uint8_t relation, const struct csd_value *dst, const struct csd_value *src)
{
	uint64_t most = relation == BPF_JSGT || relation == BPF_JSGE || relation == BPF_JSLT || relation == BPF_JSLE ? INT32_MAX :
			UINT32_MAX;

	return dst->umax <= most && src->umax <= most;
}

static int
verify_visit_branch(struct verifier *verifier, uint32_t at, const struct csd_insn *insn, struct state *state)
{
	uint8_t relation = BPF_OP(insn->code);
	bool from_register = BPF_SRC(insn->code) == BPF_X, wide = BPF_CLASS(insn->code) == BPF_JMP;
	bool unlikely = state->unlikely, tells;
	const struct csd_value dst = state->registers[insn->dst];
	const struct csd_value src = from_register ? state->registers[insn->src] :
				     csd_constant(wide ? (uint64_t)(int64_t)insn->imm : (uint32_t)insn->imm);
	int rc;

	rc = verify_check_readable(verifier, at, &dst, insn->dst);
	if (rc == 0 && from_register) {
		rc = verify_check_readable(verifier, at, &src, insn->src);
	}
	if (rc == 0 && (csd_is_address(&dst) || csd_is_address(&src))) {
		rc = REFUSE(verifier, at, "compares the address of %s", kind_names[csd_is_address(&dst) ? dst.kind : src.kind]);
	}
	if (rc != 0) {
		return rc;
	}
	/* Of a register beside itself nothing is learnt. */
	tells = !(from_register && insn->src == insn->dst) && (wide || verify_halves_tell(relation, &dst, &src));
	for (int taken = 0; taken < 2 && rc == 0; taken++) {
		uint8_t holds = taken ? relation : csd_negated(relation);

		if (tells) {
			state->registers[insn->dst] = csd_narrow_value(dst, holds, &src);
			if (from_register) {
				state->registers[insn->src] = csd_narrow_value(src, csd_mirrored(holds), &dst);
			}
		}
		state->unlikely = unlikely || (tells ? !csd_can_hold(&dst, holds, &src) : from_register && insn->src == insn->dst);
		rc = verify_propagate(verifier, at + 1 + (taken ? insn->off : 0), state);
	}
	return rc;
}

static int
verify_visit(struct verifier *verifier, uint32_t at, struct state *state)
{
	const struct csd_insn *insn = &verifier->code->insns[at];
	int64_t next[2] = {0};
	int rc;

	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		rc = verify_visit_alu(verifier, at, insn, state);
		break;
	case BPF_LD:
		rc = verify_visit_ld_imm64(verifier, at, insn, state);
		break;
	case BPF_LDX:
		rc = verify_visit_load(verifier, at, insn, state);
		break;
	case BPF_ST:
	case BPF_STX:
		rc = BPF_CLASS(insn->code) == BPF_STX && BPF_MODE(insn->code) == BPF_ATOMIC ?
		     verify_visit_atomic(verifier, at, insn, state) : verify_visit_store(verifier, at, insn, state);
		break;
	default:
		if (csd_is_branch(insn)) {
			return verify_visit_branch(verifier, at, insn, state);
		}
		if (BPF_OP(insn->code) == BPF_EXIT) {
			rc = verify_check_readable(verifier, at, &state->registers[0], 0);
			if (rc == 0 && csd_is_address(&state->registers[0])) {
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
	csd_successors(insn, at, next);
	return verify_propagate(verifier, next[0], state);
}

static int
verify_interpret(struct verifier *verifier)
{
	struct state first = {0};
	int rc;

	first.registers[1] = (struct csd_value) {.kind = RECORD, .umax = UINT64_MAX};
	first.registers[R_STACK] = (struct csd_value) {.kind = STACK, .umax = UINT64_MAX};
	rc = verify_propagate(verifier, 0, &first);
	for (uint32_t i = 0; i < verifier->flow.ordered && rc == 0; i++) {
		uint32_t at = verifier->flow.order[i];
		struct state *state = verifier->states[at];

		verifier->states[at] = NULL;
		rc = verify_visit(verifier, at, state);
		if (rc == -EINVAL && state->unlikely) {
			verifier->doubt->certain = false;
		}
		free(state);
	}
	for (uint32_t at = 0; at < verifier->code->count; at++) {
		free(verifier->states[at]);
	}
	return rc;
}

int
csd_verify(const struct csd_code *code, struct csd_doubt *doubt)
{
	struct verifier verifier = {
		.code = code,
		.doubt = doubt,
		.states = calloc(code->count, sizeof(*verifier.states)),
		.flow = {
			.code = code,
			.doubt = doubt,
			.order = calloc(code->count, sizeof(*verifier.flow.order)),
		},
	};
	int rc = -ENOMEM;

	if (verifier.states != NULL && verifier.flow.order != NULL) {
		rc = csd_flow_check(&verifier.flow);
		if (rc == 0) {
			rc = verify_interpret(&verifier);
		}
	}
	free(verifier.flow.order);
	free(verifier.states);
	return rc;
}
