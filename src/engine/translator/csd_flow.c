/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csd_flow.h"
#include "csd_insn.h"

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
flow_check_jumps(const struct csd_flow *flow, const bool *begins)
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
flow_sort(struct csd_flow *flow, uint8_t *visited, uint32_t *trail, uint8_t *taken)
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

int
csd_flow_check(struct csd_flow *flow)
{
	uint32_t count = flow->code->count;
	bool *begins = calloc(count, sizeof(*begins));
	uint8_t *visited = calloc(count, sizeof(*visited));
	uint8_t *taken = calloc(count, sizeof(*taken));
	uint32_t *trail = calloc(count, sizeof(*trail));
	int rc = 0;

	if (begins == NULL || visited == NULL || taken == NULL || trail == NULL) {
		rc = -ENOMEM;
	}
	for (uint32_t at = 0; rc == 0 && at < count; at++) {
		begins[at] = true;
		rc = flow->code->insns[at].code != (BPF_JMP | BPF_CALL) ? 0 : REFUSE(flow, at, "calls something");
		at += csd_is_ld_imm64(&flow->code->insns[at]);
	}
	if (rc == 0) {
		rc = flow_check_jumps(flow, begins);
	}
	if (rc == 0) {
		rc = flow_sort(flow, visited, trail, taken);
	}
	free(trail);
	free(taken);
	free(visited);
	free(begins);
	return rc;
}
