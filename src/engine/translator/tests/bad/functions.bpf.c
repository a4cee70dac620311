/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A call of a function that is known at run time only. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

static __attribute__((noinline)) int
one(const __u64 *record)
{
	return *record & 1;
}

CSD_PROGRAM
int functions(const __u64 *record)
{
	int (*function)(const __u64 *) = one;

	CSD_OPAQUE(function);
	return function(record);
}
