/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_FLOW_H
#define CSD_FLOW_H

#include "csd_code.h"

/*
 * librte_bpf's validator follows paths, whose number doubles with each branch: instructions, counted once for each path
 * that leads to them, are limited: it took 0.2 s for the worst program that was found, 10 ms for most.
 */
#define CSD_MAX_PATH_INSTRUCTIONS	100000

/* What of a program is not proved. */
struct csd_doubt {
	uint32_t instruction;		/* CSD_DOUBT_NOWHERE: it is about none */
	bool certain;			/* wrong whenever this instruction runs; else it may be right */
	char words[CSD_REASON_BYTES];
};

#define CSD_DOUBT_NOWHERE	UINT32_MAX

/* Returns -EINVAL, so that `return csd_doubt_say(...)` refuses. */
int csd_doubt_say(struct csd_doubt *doubt, uint32_t instruction, bool certain, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

struct csd_flow {
	const struct csd_code *code;
	struct csd_doubt *doubt;
	/*
	 * For a worker: csd_check.h has looked at the forms, of which the translator takes all that are RFC 9669's. What
	 * cannot be reached, and how many paths there are, matters to nobody.
	 */
	bool worker;
	uint32_t *order;	/* instructions, each behind all that lead to it; room for code->count */
	uint32_t ordered;
};

/*
 * Each instruction has a form that the engine knows and its JIT compiles rightly, all of them can be reached, there are
 * no loops and not too many paths. 0, -EINVAL with a doubt, or -ENOMEM.
 */
int csd_flow_check(struct csd_flow *flow);

/* `flow` may be anything that has a doubt. */
#define REFUSE(flow, at, format, ...)	csd_doubt_say((flow)->doubt, at, false, format, ##__VA_ARGS__)

#endif
