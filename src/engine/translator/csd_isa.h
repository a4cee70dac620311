/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What RFC 9669 has and linux/bpf.h of Debian 12 has not: signed division, sign extension, the unconditional byte swap. */
#ifndef CSD_ISA_H
#define CSD_ISA_H

#include <linux/bpf.h>

#include "csd_code.h"

#ifndef BPF_MEMSX
#define BPF_MEMSX		0x80
#endif

#define CSD_LD_IMM64		(BPF_LD | BPF_IMM | BPF_DW)
#define CSD_SIGNED		1	/* the offset of DIV and MOD */
#define CSD_FRAME_POINTER	10
#define CSD_CALL_HELPER		0	/* the source register of CALL */
#define CSD_CALL_LOCAL		1
#define CSD_CALL_BTF		2

/* Bytes of BPF_B, BPF_H, BPF_W, BPF_DW. */
static inline uint32_t
csd_size_bytes(uint8_t code)
{
	return BPF_SIZE(code) == BPF_B ? 1 : BPF_SIZE(code) == BPF_H ? 2 : BPF_SIZE(code) == BPF_W ? 4 : 8;
}

static inline bool
csd_is_jump(uint8_t code)
{
	return BPF_CLASS(code) == BPF_JMP || BPF_CLASS(code) == BPF_JMP32;
}

/* The two unconditional jumps: by offset, and by immediate. */
static inline bool
csd_is_goto(uint8_t code)
{
	return code == (BPF_JMP | BPF_JA) || code == (BPF_JMP32 | BPF_JA);
}

/* A jump with a condition. */
static inline bool
csd_is_condition(uint8_t code)
{
	return csd_is_jump(code) && BPF_OP(code) != BPF_JA && BPF_OP(code) != BPF_CALL && BPF_OP(code) != BPF_EXIT;
}

/* Where a jump goes. */
static inline int64_t
csd_jump_target(const struct csd_insn *insn, uint32_t at)
{
	return (int64_t)at + 1 + (insn->code == (BPF_JMP32 | BPF_JA) ? insn->imm : insn->off);
}

#endif
