/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_cost.h"

#include <stdlib.h>

#include "csd_insn.h"

#define INSTRUCTION	1
#define DIVISION	30
#define INTERPRETED	8

static bool
csd_cost_divides(const struct csd_insn *insn)
{
	uint8_t class = BPF_CLASS(insn->code);

	return (class == BPF_ALU || class == BPF_ALU64) && (BPF_OP(insn->code) == BPF_DIV || BPF_OP(insn->code) == BPF_MOD);
}

uint32_t
csd_cost_longest(const struct csd_code *code, bool jit)
{
	/* Of the rest of the program from an instruction on. Jumps go forward only, so from the end. */
	uint32_t *rest = calloc(code->count + 1, sizeof(*rest));
	uint32_t at, i, longest;
	int64_t next[2];

	if (rest == NULL) {
		/* As if every instruction were a division. */
		return code->count * DIVISION * (jit ? 1 : INTERPRETED);
	}
	for (at = code->count; at-- > 0;) {
		uint32_t ways = csd_successors(&code->insns[at], at, next);

		for (i = 0, longest = 0; i < ways; i++) {
			if (next[i] > at && next[i] < code->count && rest[next[i]] > longest) {
				longest = rest[next[i]];
			}
		}
		rest[at] = longest + (csd_cost_divides(&code->insns[at]) ? DIVISION : INSTRUCTION);
	}
	longest = rest[0];
	free(rest);
	return longest * (jit ? 1 : INTERPRETED);
}
