/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Inside the engine: a program as it comes out of its ELF, and what a kind of program has to offer. */
#ifndef CSD_CODE_H
#define CSD_CODE_H

#include "csd_engine.h"
#include "csd_bpf.h"

#define CSD_MAX_INSTRUCTIONS	4096
#define CSD_MAX_STACK_BYTES	512

struct csd_insn {
	uint8_t code;
	uint8_t dst : 4;
	uint8_t src : 4;
	int16_t off;
	int32_t imm;
};
_Static_assert(sizeof(struct csd_insn) == 8, "eBPF instruction");

/*
 * How instructions name what lies outside the program, in a bare stream and behind the ELF reader alike: ld_imm64 with
 * source register CSD_EXTERN, the variable in its first immediate, a byte offset into it in its second.
 */
#define CSD_EXTERN		1
#define CSD_EXTERN_PARAMETERS	1
#define CSD_EXTERN_STATE	2

struct csd_code {
	char kind[32];			/* ELF section: "csd/record" */
	struct csd_insn *insns;
	uint32_t count;
	uint32_t first;			/* how a disassembler counts the first of them, where they are not all of their section */
	struct csd_geometry geometry;
};

/* One kind of program. The first member of its program and instance are the structs below. */
struct csd_engine_ops {
	const char *kind;
	/* Takes code->insns over when it returns 0. */
	int (*load)(struct csd_code *code, const struct csd_load_options *options, struct csd_program **program,
		    char reason[CSD_REASON_BYTES]);
	void (*unload)(struct csd_program *program);
	struct csd_instance *(*create)(const struct csd_program *program);
	void (*destroy)(struct csd_instance *instance);
	int (*begin)(struct csd_instance *instance, const struct csd_run_parameters *parameters);
	const void *(*state)(const struct csd_instance *instance);
	enum csd_slice_end (*run)(struct csd_instance *instance, struct csd_slice *slice);
};

struct csd_program {
	const struct csd_engine_ops *ops;
	struct csd_program_info info;
};

struct csd_instance {
	const struct csd_engine_ops *ops;
};

extern const struct csd_engine_ops csd_record_engine;

/* Writes the reason and returns -EINVAL, so that `return csd_refuse(...)` refuses. */
int csd_refuse(char reason[CSD_REASON_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
