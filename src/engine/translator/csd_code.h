/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* An instruction, a program of one function as the verifier sees it, and a refusal in words. */
#ifndef CSD_CODE_H
#define CSD_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "csd_bpf.h"

#define CSD_REASON_BYTES	256
#define CSD_MAX_PROGRAM_BYTES	(1024 * 1024)
#define CSD_MAX_STACK_BYTES	512
#define CSD_MAX_INSTRUCTIONS	4096	/* that the verifier looks at */

struct csd_insn {
	uint8_t code;
	uint8_t dst : 4;
	uint8_t src : 4;
	int16_t off;
	int32_t imm;
};
_Static_assert(sizeof(struct csd_insn) == 8, "eBPF instruction");

/*
 * How instructions name what lies outside the program, in a bare stream and for the verifier: ld_imm64 with source register
 * CSD_EXTERN, the variable in its first immediate, a byte offset into it in its second.
 */
#define CSD_EXTERN		1
#define CSD_EXTERN_PARAMETERS	1
#define CSD_EXTERN_STATE	2

struct csd_code {
	struct csd_insn *insns;
	uint32_t count;
	uint32_t first;			/* how a disassembler counts the first of them, where they are not all of their section */
	struct csd_geometry geometry;
};

/* Writes the reason and returns -EINVAL, so that `return csd_refuse(...)` refuses. */
int csd_refuse(char reason[CSD_REASON_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
