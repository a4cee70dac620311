/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The form of eBPF instructions, for who looks at them. */
#ifndef CSD_INSN_H
#define CSD_INSN_H

#include <linux/bpf.h>

#include "csd_code.h"

#ifndef BPF_MEMSX		/* Debian 12's linux/bpf.h has it not */
#define BPF_MEMSX	0x80
#endif

static inline bool
csd_is_ld_imm64(const struct csd_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static inline bool
csd_is_branch(const struct csd_insn *insn)
{
	return (BPF_CLASS(insn->code) == BPF_JMP || BPF_CLASS(insn->code) == BPF_JMP32) && BPF_OP(insn->code) != BPF_JA &&
	       BPF_OP(insn->code) != BPF_CALL && BPF_OP(insn->code) != BPF_EXIT;
}

/* Where control goes from an instruction; returns how many places. The first is the next one, if any. */
static inline uint32_t
csd_successors(const struct csd_insn *insn, uint32_t at, int64_t next[2])
{
	if (insn->code == (BPF_JMP | BPF_EXIT)) {
		return 0;
	}
	if (insn->code == (BPF_JMP | BPF_JA) || insn->code == (BPF_JMP32 | BPF_JA)) {
		next[0] = (int64_t)at + 1 + (BPF_CLASS(insn->code) == BPF_JMP ? insn->off : insn->imm);
		return 1;
	}
	next[0] = (int64_t)at + (csd_is_ld_imm64(insn) ? 2 : 1);
	next[1] = (int64_t)at + 1 + insn->off;
	return csd_is_branch(insn) ? 2 : 1;
}

#endif
