/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * seccomp, as a classic BPF program: a list of comparisons. libseccomp would do the same and be one more package on every
 * target; what it knows of other architectures is not needed.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "csd_confine.h"

#ifndef __x86_64__
#error "the filter knows the calls of x86-64 alone"
#endif

/* From here on a number is one of x32, which shares the architecture. */
#define X32_CALLS	0x40000000U

#define HEAD		5	/* instructions in front of the calls */
#define EACH		5	/* for one, at most */
#define MOST		((BPF_MAXINSNS - HEAD - 1) / EACH)

#define ARGUMENT(n)	(offsetof(struct seccomp_data, args) + (n) * sizeof(uint64_t))	/* its lower half: little endian */
#define LOAD_WORD(at)	(struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at))
#define ANSWER(what)	(struct sock_filter) BPF_STMT(BPF_RET | BPF_K, (what))
#define IF(test, value, yes, no) \
	(struct sock_filter) BPF_JUMP(BPF_JMP | (test) | BPF_K, (value), (yes), (no))

static size_t
confine_calls_write(struct sock_filter *out, const struct csd_confine_calls *calls)
{
	size_t length = 0;

	out[length++] = LOAD_WORD(offsetof(struct seccomp_data, arch));
	out[length++] = IF(BPF_JEQ, AUDIT_ARCH_X86_64, 0, 2);
	out[length++] = LOAD_WORD(offsetof(struct seccomp_data, nr));
	out[length++] = IF(BPF_JGE, X32_CALLS, 0, 1);
	out[length++] = ANSWER(SECCOMP_RET_KILL_PROCESS);
	for (size_t i = 0; i < calls->count; i++) {
		const struct csd_confine_call *call = &calls->calls[i];

		if (call->test == CSD_CONFINE_ALWAYS) {
			out[length++] = IF(BPF_JEQ, call->number, 0, 1);
			out[length++] = ANSWER(call->action);
			continue;
		}
		out[length++] = IF(BPF_JEQ, call->number, 0, 4);
		out[length++] = LOAD_WORD(ARGUMENT(call->argument));
		out[length++] = IF(call->test == CSD_CONFINE_EQUAL ? BPF_JEQ : BPF_JSET, call->value, 0, 1);
		out[length++] = ANSWER(call->action);
		out[length++] = LOAD_WORD(offsetof(struct seccomp_data, nr));
	}
	out[length++] = ANSWER(calls->otherwise);
	return length;
}

int
csd_confine_calls(struct csd_confined *confined, const struct csd_confine_calls *calls)
{
	struct sock_filter *filter;
	struct sock_fprog program;
	int rc = 0;

	if (calls->count > MOST) {
		return -E2BIG;
	}
	for (size_t i = 0; i < calls->count; i++) {
		const struct csd_confine_call *call = &calls->calls[i];

		/* A rule that never fits would be one that is missing. */
		if (call->argument > 5 || call->test > CSD_CONFINE_ANY_BIT || (call->test == CSD_CONFINE_ANY_BIT && call->value == 0)) {
			return -EINVAL;
		}
	}
	filter = calloc(HEAD + calls->count * EACH + 1, sizeof(*filter));
	if (filter == NULL) {
		return -ENOMEM;
	}
	program = (struct sock_fprog) {.filter = filter, .len = confine_calls_write(filter, calls)};
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
		rc = errno == ENOSYS ? -EOPNOTSUPP : -errno;
	}
	free(filter);
	if (rc == 0) {
		confined->stands[CSD_LAYER_CALLS] = true;
	}
	return rc;
}
