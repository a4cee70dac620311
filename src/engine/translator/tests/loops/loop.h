/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Programs over a buffer, as loops are written in C: LOOP(name, type of the data, type of what comes out) stands before the
 * body of a function of `data`, `bytes` (a multiple of 64) and `out`, a memory range with as many bytes. What it returns
 * stands for all that was found, and becomes the state.
 */
#ifndef LOOP_H
#define LOOP_H

#include "csd_bpf.h"

struct loop_state {
	__u64 found;
};

#define LOOP(name, type, out_type) \
	CSD_STATE(struct loop_state); \
	static __attribute__((always_inline)) inline __u64 name##_over(const type *data, __u64 bytes, out_type *out); \
	CSD_BUFFER_PROGRAM \
	int name(struct csd_context *context) \
	{ \
		csd_state.found = name##_over((const type *)context->begin, context->end - context->begin, \
					      (out_type *)context->ranges[0].begin); \
		return 0; \
	} \
	static __attribute__((always_inline)) inline __u64 name##_over(const type *data, __u64 bytes, out_type *out)

#endif
