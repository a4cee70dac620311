/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_FLOW_H
#define CSD_FLOW_H

#include "csd_code.h"

/*
 * librte_bpf's validator follows paths, whose number doubles with each branch: instructions, counted once for each path
 * that leads to them, are limited: it took 0.2 s for the worst program that was found, 10 ms for most.
 */
#define CSD_MAX_PATH_INSTRUCTIONS	100000

struct csd_flow {
	const struct csd_code *code;
	char *reason;
	uint32_t *order;	/* instructions, each behind all that lead to it; room for code->count */
	uint32_t ordered;
};

/*
 * Each instruction has a form that the engine knows and its JIT compiles rightly, all of them can be reached, there are
 * no loops and not too many paths. 0, -EINVAL with a reason, or -ENOMEM.
 */
int csd_flow_check(struct csd_flow *flow);

/* `flow` may be anything that has a reason. */
#define REFUSE(flow, at, format, ...)	csd_refuse((flow)->reason, "instruction %u: " format, at, ##__VA_ARGS__)

#endif
