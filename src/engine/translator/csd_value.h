/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What is known of a number or an address that a register or the stack holds. */
#ifndef CSD_VALUE_H
#define CSD_VALUE_H

#include <stdbool.h>
#include <stdint.h>

enum csd_value_kind {
	UNSET,		/* never written */
	PARTLY,		/* not written on some path */
	NUMBER,
	MIXED,		/* one thing or another, depending on the path */
	RECORD, PARAMETERS, STATE, STACK,	/* addresses: offsets from their begin; of the stack: from its end */
};

/* Every value that it can have lies in both ranges. Of an address only the signed range counts: its offset. */
struct csd_value {
	enum csd_value_kind kind;
	uint64_t umin, umax;
	int64_t smin, smax;
};

static inline bool
csd_is_address(const struct csd_value *value)
{
	return value->kind >= RECORD;
}

extern const struct csd_value csd_any_number;
struct csd_value csd_constant(uint64_t number);
struct csd_value csd_unsigned_range(uint64_t min, uint64_t max);

/* Of a number: what an instruction of 32 bits sees of it. */
struct csd_value csd_low_half(struct csd_value value);

/* What is known where two paths meet. */
struct csd_value csd_hull(const struct csd_value *a, const struct csd_value *b);

struct csd_value csd_add(const struct csd_value *a, const struct csd_value *b);
struct csd_value csd_subtract(const struct csd_value *a, const struct csd_value *b);

/* An eBPF operation (BPF_ADD ...) on numbers; a divisor is not zero. */
struct csd_value csd_calculate(uint8_t operation, const struct csd_value *a, const struct csd_value *b, uint32_t bits);

/* Keeps what is true of `value` where it stands in this relation (BPF_JEQ ...) to a number between the other's bounds. */
struct csd_value csd_narrow_value(struct csd_value value, uint8_t relation, const struct csd_value *other);

/* Whether two numbers can stand in this relation at all. */
bool csd_can_hold(const struct csd_value *value, uint8_t relation, const struct csd_value *other);

/* The relation that holds where this one does not; and the one seen from the other side. */
uint8_t csd_negated(uint8_t relation);
uint8_t csd_mirrored(uint8_t relation);

#endif
