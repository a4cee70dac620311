/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <linux/bpf.h>

#include "csd_value.h"

const struct csd_value csd_any_number = {
	.kind = NUMBER, .umin = 0, .umax = UINT64_MAX, .smin = INT64_MIN, .smax = INT64_MAX,
};

static const struct csd_value value_nothing = {.kind = NUMBER, .umin = UINT64_MAX, .smin = INT64_MAX, .smax = INT64_MIN};

/* Each range says something of the other where the sign is known. */
static struct csd_value
value_agree(struct csd_value value)
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

struct csd_value
csd_unsigned_range(uint64_t min, uint64_t max)
{
	return value_agree((struct csd_value) {.kind = NUMBER, .umin = min, .umax = max, .smin = INT64_MIN,
					       .smax = INT64_MAX});
}

static struct csd_value
value_signed_range(int64_t min, int64_t max)
{
	return value_agree((struct csd_value) {.kind = NUMBER, .umin = 0, .umax = UINT64_MAX, .smin = min,
					       .smax = max});
}

struct csd_value
csd_constant(uint64_t number)
{
	return (struct csd_value) {.kind = NUMBER, .umin = number, .umax = number, .smin = number, .smax = number};
}

static bool
value_is_constant(const struct csd_value *value)
{
	return value->umin == value->umax;
}

struct csd_value
csd_low_half(struct csd_value value)
{
	if (value.umax <= UINT32_MAX) {
		return value;
	}
	return value_is_constant(&value) ? csd_constant((uint32_t)value.umin) : csd_unsigned_range(0, UINT32_MAX);
}

struct csd_value
csd_hull(const struct csd_value *a, const struct csd_value *b)
{
	if (a->kind < NUMBER || b->kind < NUMBER) {
		return (struct csd_value) {.kind = a->kind == b->kind ? a->kind : PARTLY};
	}
	if (a->kind != b->kind) {
		return (struct csd_value) {.kind = MIXED};
	}
	return (struct csd_value) {
		.kind = a->kind,
		.umin = a->umin < b->umin ? a->umin : b->umin, .umax = a->umax > b->umax ? a->umax : b->umax,
		.smin = a->smin < b->smin ? a->smin : b->smin, .smax = a->smax > b->smax ? a->smax : b->smax,
	};
}

/* All bits up to the highest that is set. */
static uint64_t
value_fill_bits(uint64_t value)
{
	return value == 0 ? 0 : UINT64_MAX >> __builtin_clzll(value);
}

struct csd_value
csd_add(const struct csd_value *a, const struct csd_value *b)
{
	struct csd_value sum = csd_any_number;

	if (__builtin_add_overflow(a->umin, b->umin, &sum.umin) | __builtin_add_overflow(a->umax, b->umax, &sum.umax)) {
		sum.umin = 0;
		sum.umax = UINT64_MAX;
	}
	if (__builtin_add_overflow(a->smin, b->smin, &sum.smin) | __builtin_add_overflow(a->smax, b->smax, &sum.smax)) {
		sum.smin = INT64_MIN;
		sum.smax = INT64_MAX;
	}
	return value_agree(sum);
}

struct csd_value
csd_subtract(const struct csd_value *a, const struct csd_value *b)
{
	struct csd_value difference = csd_any_number;

	if (a->umin >= b->umax) {
		difference.umin = a->umin - b->umax;
		difference.umax = a->umax - b->umin;
	}
	if (__builtin_sub_overflow(a->smin, b->smax, &difference.smin) |
	    __builtin_sub_overflow(a->smax, b->smin, &difference.smax)) {
		difference.smin = INT64_MIN;
		difference.smax = INT64_MAX;
	}
	return value_agree(difference);
}

static struct csd_value
value_multiply(const struct csd_value *a, const struct csd_value *b)
{
	uint64_t max;

	if (__builtin_mul_overflow(a->umax, b->umax, &max)) {
		return csd_any_number;
	}
	return csd_unsigned_range(a->umin * b->umin, max);
}

static struct csd_value
value_shift(uint8_t operation, const struct csd_value *a, const struct csd_value *by, uint32_t bits)
{
	uint64_t n = by->umin;

	if (!value_is_constant(by) || n >= bits) {	/* the CPU takes the amount's low bits */
		if (operation == BPF_RSH) {
			return csd_unsigned_range(0, a->umax);
		}
		return operation == BPF_ARSH ? value_signed_range(a->smin < 0 ? a->smin : 0,
								  a->smax > -1 ? a->smax : -1) :
					       csd_any_number;
	}
	switch (operation) {
	case BPF_LSH:
		return a->umax <= UINT64_MAX >> n ? csd_unsigned_range(a->umin << n, a->umax << n) : csd_any_number;
	case BPF_RSH:
		return csd_unsigned_range(a->umin >> n, a->umax >> n);
	default:
		return value_signed_range(a->smin >> n, a->smax >> n);
	}
}

struct csd_value
csd_calculate(uint8_t operation, const struct csd_value *a, const struct csd_value *b, uint32_t bits)
{
	switch (operation) {
	case BPF_ADD:
		return csd_add(a, b);
	case BPF_SUB:
		return csd_subtract(a, b);
	case BPF_MUL:
		return value_multiply(a, b);
	case BPF_DIV:	/* b is not zero */
		return csd_unsigned_range(a->umin / b->umax, a->umax / b->umin);
	case BPF_MOD:
		return csd_unsigned_range(0, a->umax < b->umax - 1 ? a->umax : b->umax - 1);
	case BPF_AND:
		return value_is_constant(a) && value_is_constant(b) ? csd_constant(a->umin & b->umin) :
		       csd_unsigned_range(0, a->umax < b->umax ? a->umax : b->umax);
	case BPF_OR:
		return value_is_constant(a) && value_is_constant(b) ? csd_constant(a->umin | b->umin) :
		       csd_unsigned_range(a->umin > b->umin ? a->umin : b->umin, value_fill_bits(a->umax | b->umax));
	case BPF_XOR:
		return value_is_constant(a) && value_is_constant(b) ? csd_constant(a->umin ^ b->umin) :
		       csd_unsigned_range(0, value_fill_bits(a->umax | b->umax));
	case BPF_LSH:
	case BPF_RSH:
	case BPF_ARSH:
		return value_shift(operation, a, b, bits);
	case BPF_MOV:
		return *b;
	default:
		return csd_any_number;
	}
}

static bool
value_is_empty(const struct csd_value *value)
{
	return value->umin > value->umax || value->smin > value->smax;
}

/* What is true of `value` where it stands in this relation; empty, where it cannot, but for BPF_JNE. */
static struct csd_value
value_narrow(struct csd_value value, uint8_t relation, const struct csd_value *other)
{
	struct csd_value narrowed = value;

	switch (relation) {
	case BPF_JEQ:
		narrowed.umin = value.umin > other->umin ? value.umin : other->umin;
		narrowed.umax = value.umax < other->umax ? value.umax : other->umax;
		narrowed.smin = value.smin > other->smin ? value.smin : other->smin;
		narrowed.smax = value.smax < other->smax ? value.smax : other->smax;
		break;
	case BPF_JNE:
		if (value_is_constant(other)) {	/* only the ends of a range can go */
			narrowed.umin += value.umin == other->umin && value.umin < value.umax;
			narrowed.umax -= value.umax == other->umin && value.umin < value.umax;
		}
		break;
	case BPF_JGT:
		if (other->umin == UINT64_MAX) {
			return value_nothing;
		}
		narrowed.umin = value.umin > other->umin + 1 ? value.umin : other->umin + 1;
		break;
	case BPF_JGE:
		narrowed.umin = value.umin > other->umin ? value.umin : other->umin;
		break;
	case BPF_JLT:
		if (other->umax == 0) {
			return value_nothing;
		}
		narrowed.umax = value.umax < other->umax - 1 ? value.umax : other->umax - 1;
		break;
	case BPF_JLE:
		narrowed.umax = value.umax < other->umax ? value.umax : other->umax;
		break;
	case BPF_JSGT:
		if (other->smin == INT64_MAX) {
			return value_nothing;
		}
		narrowed.smin = value.smin > other->smin + 1 ? value.smin : other->smin + 1;
		break;
	case BPF_JSGE:
		narrowed.smin = value.smin > other->smin ? value.smin : other->smin;
		break;
	case BPF_JSLT:
		if (other->smax == INT64_MIN) {
			return value_nothing;
		}
		narrowed.smax = value.smax < other->smax - 1 ? value.smax : other->smax - 1;
		break;
	case BPF_JSLE:
		narrowed.smax = value.smax < other->smax ? value.smax : other->smax;
		break;
	default:
		return value;
	}
	return value_agree(narrowed);
}

/* A branch that cannot be taken is followed all the same, with what was known before. */
struct csd_value
csd_narrow_value(struct csd_value value, uint8_t relation, const struct csd_value *other)
{
	struct csd_value narrowed = value_narrow(value, relation, other);

	return value_is_empty(&narrowed) ? value : narrowed;
}

bool
csd_can_hold(const struct csd_value *value, uint8_t relation, const struct csd_value *other)
{
	struct csd_value narrowed = value_narrow(*value, relation, other);

	if (relation == BPF_JNE) {
		return !value_is_constant(value) || !value_is_constant(other) || value->umin != other->umin;
	}
	return !value_is_empty(&narrowed);
}

/* The relation that holds where this one does not; and the one seen from the other side. */
uint8_t
csd_negated(uint8_t relation)
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

uint8_t
csd_mirrored(uint8_t relation)
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
