/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What csv_filter and json_filter share: the comparison, and what is counted. */
#ifndef FILTER_H
#define FILTER_H

#include "csd_bpf.h"
#include "decimal.h"
#include "lines.h"

#define FILTER_NUMBER_BYTES	64	/* of an operand */

CSD_STATE(struct csd_filter_state);

/* As given with the command; anew for each part, as addresses may be others then. */
static struct {
	const struct csd_filter *given;
	const __u8 *name;
	const __u8 *operand;
	struct decimal number;		/* the operand, CSD_AS_NUMBER */
	struct decimal field;		/* the number at hand: in a function's frame it would have the frame cleared each time */
} filter;

/* What a field is beside the operand: its order, from -1 to 1, or what keeps it from having one. */
enum filter_found {
	FILTER_MISSING = 2,
	FILTER_MALFORMED = 3,
	FILTER_NOT_COMPARABLE = 4,
};

/* 0, else enum csd_program_error. */
static inline __u64 filter_begin(const struct csd_context *context)
{
	const struct csd_filter *given = (const struct csd_filter *)context->data;
	__u64 names, operands;

	if (context->data_bytes < sizeof(*given))
		return CSD_PROGRAM_DATA_SHORT;
	names = given->name_bytes;
	operands = given->operand_bytes;
	if (context->data_bytes < sizeof(*given) + names + operands)
		return CSD_PROGRAM_DATA_SHORT;
	if (given->keep > 7 || given->as > CSD_AS_NUMBER || given->flags > CSD_FILTER_HEADER || given->reserved != 0 ||
	    (names > 0 && given->field > 0))
		return CSD_PROGRAM_DATA_VALUE;
	filter.given = given;
	filter.name = context->data + sizeof(*given);
	filter.operand = filter.name + names;
	if (given->as == CSD_AS_NUMBER &&
	    (operands > FILTER_NUMBER_BYTES || !decimal_parse(filter.operand, filter.operand + operands, &filter.number)))
		return CSD_PROGRAM_DATA_VALUE;
	return 0;
}

static inline long filter_compare_text(const __u8 *a, __u64 a_bytes, const __u8 *b, __u64 b_bytes)
{
	__u64 bytes = a_bytes < b_bytes ? a_bytes : b_bytes, same = 0;

	while (same < bytes && a[same] == b[same])
		same++;
	if (same < bytes)
		return a[same] < b[same] ? -1 : 1;
	return a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

/* Text as it stands. */
static inline long filter_compare(const __u8 *at, const __u8 *end)
{
	if (filter.given->as == CSD_AS_TEXT)
		return filter_compare_text(at, end - at, filter.operand, filter.given->operand_bytes);
	return decimal_parse(at, end, &filter.field) ? decimal_compare(&filter.field, &filter.number) : FILTER_NOT_COMPARABLE;
}

/* 0: the record is done with. Else there is no room for it. */
static inline long filter_take(long found, const __u8 *record, const __u8 *end)
{
	if (found <= 1 && (filter.given->keep >> (found + 1) & 1)) {
		if (csd_emit(record, end - record) != 0)
			return -1;
		csd_state.kept++;
	}
	csd_state.records++;
	csd_state.missing += found == FILTER_MISSING;
	csd_state.malformed += found == FILTER_MALFORMED;
	csd_state.not_comparable += found == FILTER_NOT_COMPARABLE;
	return 0;
}

#endif
