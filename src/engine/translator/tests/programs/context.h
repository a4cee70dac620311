/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What context.bpf.c saw. */
#ifndef CONTEXT_H
#define CONTEXT_H

#include "csd_bpf.h"

struct seen {
	__u64 begun, calls, bytes, offset, flags, consumed, ranges, data, now;
};

#endif
