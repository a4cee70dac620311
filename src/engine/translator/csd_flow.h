/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_FLOW_H
#define CSD_FLOW_H

#include "csd_code.h"

/* What of a program is not proved. */
struct csd_doubt {
	uint32_t instruction;
	bool certain;			/* wrong whenever this instruction runs; else it may be right */
	char words[CSD_REASON_BYTES];
};

/* Returns -EINVAL, so that `return csd_doubt_say(...)` refuses. */
int csd_doubt_say(struct csd_doubt *doubt, uint32_t instruction, bool certain, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

struct csd_flow {
	const struct csd_code *code;	/* whose forms csd_check.h took */
	struct csd_doubt *doubt;
	uint32_t *order;	/* instructions, each behind all that lead to it; room for code->count */
	uint32_t ordered;
};

/* Nothing is called, and nothing loops: then `order` is found. 0, -EINVAL with a doubt, or -ENOMEM. */
int csd_flow_check(struct csd_flow *flow);

/* `flow` may be anything that has a doubt. */
#define REFUSE(flow, at, format, ...)	csd_doubt_say((flow)->doubt, at, false, format, ##__VA_ARGS__)

#endif
