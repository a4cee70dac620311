/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Linked to a program that is compiled natively: what the drive gives it, written for itself. */
#include <string.h>

#include "beside.h"
#include "csd_bpf.h"

/* A program of kind csd/buffer has its own state. */
uint64_t csd_parameters_words[128] __asm__("csd_parameters");
uint64_t csd_state_words[512] __asm__("csd_state") __attribute__((weak));
struct beside csd_beside;

long
csd_emit(const void *pointer, __u64 bytes)
{
	if (csd_beside.full || bytes > csd_beside.room - csd_beside.emitted) {
		csd_beside.full = 1;
		return -28;
	}
	memcpy(csd_beside.out + csd_beside.emitted, pointer, bytes);
	csd_beside.emitted += bytes;
	csd_beside.items++;
	return 0;
}

__u64
bpf_ktime_get_ns(void)
{
	return csd_beside.now;
}

long
bpf_loop(__u32 turns, void *function, void *context, __u64 flags)
{
	long (*callback)(__u32 turn, void *context) = (long (*)(__u32, void *))function;
	__u32 turn = 0;

	if (flags != 0)
		return -22;
	if (turns > 8388608)
		return -7;
	while (turn < turns) {
		if (callback(turn++, context) != 0)
			break;
	}
	return turn;
}

long
bpf_strncmp(const char *text, __u32 text_bytes, const char *other)
{
	int order = strncmp(text, other, text_bytes);

	return order < 0 ? -1 : order > 0;
}
