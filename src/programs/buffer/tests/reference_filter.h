/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What the references of the filters share: the filter as given, and comparison. */
#ifndef REFERENCE_FILTER_H
#define REFERENCE_FILTER_H

#include <string.h>

#include "reference.h"

struct text {
	const uint8_t *at;
	uint64_t bytes;
};

struct wish {
	struct csd_filter given;
	struct text name, operand;
};

/* 0, else enum csd_program_error. */
uint64_t reference_wish(const struct job *job, struct wish *wish);

/* What comes of a field. */
enum verdict {
	VERDICT_KEEP, VERDICT_DROP, VERDICT_MISSING, VERDICT_MALFORMED, VERDICT_NOT_COMPARABLE,
};

enum verdict reference_compare(const struct wish *wish, struct text field);

void reference_count(struct csd_filter_state *state, enum verdict verdict, struct result *wanted, struct text record);

#endif
