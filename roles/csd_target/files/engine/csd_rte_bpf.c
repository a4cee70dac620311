/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Everything that knows librte_bpf. Its validator is the second line of defence: csd_verify.c has accepted the program
 * before, knows more (what must not be written, what may be divided by) and says in words what it refuses.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bpf.h>

#include "csd_jumps.h"
#include "csd_rte_bpf.h"

/* Of rte_log.h, which belongs to the DPDK that the program is linked with rather than to librte_bpf's. */
int rte_openlog_stream(FILE *f);

_Static_assert(sizeof(struct csd_insn) == sizeof(struct ebpf_insn), "the instruction is librte_bpf's");

/*
 * librte_bpf says why it refuses a program in DPDK's log only. While a program is loaded, that log goes to a stream
 * which keeps this thread's lines, and passes on what other threads write.
 */
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static FILE *log_stream;	/* never closed: another thread may be writing to it */
static __thread char *log_captured;	/* CSD_REASON_BYTES; NULL: not this thread */

static ssize_t
log_write(void *cookie, const char *text, size_t length)
{
	(void)cookie;
	if (log_captured == NULL) {
		fwrite(text, 1, length, stderr);
	} else {
		size_t used = strlen(log_captured);
		size_t room = CSD_REASON_BYTES - 1 - used;

		memcpy(log_captured + used, text, length < room ? length : room);
		log_captured[used + (length < room ? length : room)] = '\0';
	}
	return length;
}

static struct rte_bpf *
load_with_log(const struct rte_bpf_prm *parameters, char captured[CSD_REASON_BYTES])
{
	struct rte_bpf *bpf;

	captured[0] = '\0';
	pthread_mutex_lock(&log_mutex);
	if (log_stream == NULL) {
		log_stream = fopencookie(NULL, "w", (cookie_io_functions_t) {.write = log_write});
		if (log_stream != NULL) {
			setvbuf(log_stream, NULL, _IONBF, 0);
		}
	}
	log_captured = captured;
	if (log_stream != NULL) {
		rte_openlog_stream(log_stream);
	}
	bpf = rte_bpf_load(parameters);
	if (log_stream != NULL) {
		rte_openlog_stream(NULL);
	}
	log_captured = NULL;
	pthread_mutex_unlock(&log_mutex);
	return bpf;
}

/*
 * "evaluate: undefined return value at pc: 7" becomes "instruction 7: undefined return value (librte_bpf)". Where it is
 * not as clever as csd_verify.c, that is about indexes: from comparisons it learns less.
 */
static void
say_why(const char *captured, char reason[CSD_REASON_BYTES])
{
	const char *text, *end, *where;
	unsigned int instruction;

	if (captured[0] == '\0') {
		reason[0] = '\0';	/* it logs whatever it refuses: memory was short */
		return;
	}
	end = captured + strcspn(captured, "\n");
	text = strstr(captured, ": ");
	text = text != NULL && text < end ? text + 2 : captured;
	where = strstr(text, " at pc: ");
	if (where != NULL && where < end && sscanf(where, " at pc: %u", &instruction) == 1) {
		csd_refuse(reason, "instruction %u: %.*s (librte_bpf%s)", instruction, (int)(where - text), text,
			   strncmp(text, "memory boundary", 15) == 0 ? ": limit an index by a mask, not by a comparison" : "");
	} else {
		csd_refuse(reason, "librte_bpf: %.*s", (int)(end - text), text);
	}
}

/* Puts addresses in; returns the number of variables in `symbols`, whose sizes shrink by the offsets they stand for. */
static uint32_t
bind(struct ebpf_insn *insns, const struct csd_code *code, void *parameters, void *state, struct rte_bpf_xsym *symbols)
{
	uint32_t count = 0;

	memcpy(insns, code->insns, code->count * sizeof(*insns));
	for (uint32_t i = 0; i < code->count; i++) {
		struct ebpf_insn *insn = &insns[i];
		uint32_t offset, size, k;
		uintptr_t address;

		if (insn->code != (BPF_LD | BPF_IMM | EBPF_DW)) {
			continue;
		}
		i++;
		if (insn->src_reg != CSD_EXTERN) {
			continue;
		}
		offset = insn[1].imm;
		if (insn->imm == CSD_EXTERN_STATE) {
			address = (uintptr_t)state + offset;
			size = code->geometry.state_bytes - offset;
		} else {
			address = (uintptr_t)parameters + offset;
			size = sizeof(struct csd_parameters) - offset;
		}
		insn->src_reg = 0;
		insn[0].imm = (uint32_t)address;
		insn[1].imm = (uint32_t)(address >> 32);
		for (k = 0; k < count && symbols[k].var.val != (void *)address; k++) {
		}
		if (k == count) {
			symbols[count++] = (struct rte_bpf_xsym) {
				.name = "csd", .type = RTE_BPF_XTYPE_VAR,
				.var = {.val = (void *)address, .desc = {.type = RTE_BPF_ARG_PTR, .size = size}},
			};
		}
	}
	return count;
}

struct rte_bpf *
csd_rte_bpf_load(const struct csd_code *code, void *parameters, void *state, char reason[CSD_REASON_BYTES])
{
	struct ebpf_insn *insns = calloc(code->count, sizeof(*insns));
	struct rte_bpf_xsym *symbols = calloc(code->count, sizeof(*symbols));
	char captured[CSD_REASON_BYTES];
	struct rte_bpf *bpf = NULL;

	reason[0] = '\0';
	if (insns != NULL && symbols != NULL) {
		struct rte_bpf_prm load = {
			.ins = insns,
			.nb_ins = code->count,
			.nb_xsym = bind(insns, code, parameters, state, symbols),
			.xsym = symbols,
			.prog_arg = {.type = RTE_BPF_ARG_PTR, .size = code->geometry.record_bytes},
		};

		bpf = load_with_log(&load, captured);
		if (bpf == NULL) {
			say_why(captured, reason);
		}
	}
	free(symbols);
	free(insns);
	return bpf;
}

void
csd_rte_bpf_destroy(struct rte_bpf *bpf)
{
	rte_bpf_destroy(bpf);
}

struct csd_native_code
csd_rte_bpf_native(const struct rte_bpf *bpf, const struct csd_code *code)
{
	struct rte_bpf_jit jit = {0};

	rte_bpf_get_jit(bpf, &jit);
	if (jit.func == NULL || !csd_jumps_are_right(code, (const void *)(uintptr_t)jit.func, jit.sz)) {
		return (struct csd_native_code) {0};
	}
	return (struct csd_native_code) {.function = jit.func, .bytes = jit.sz};
}

uint64_t
csd_rte_bpf_interpret(const struct rte_bpf *bpf, void *record)
{
	return rte_bpf_exec(bpf, record);
}
