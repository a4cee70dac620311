/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The address of a function. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

static __attribute__((noinline)) int
one(const __u64 *record)
{
	return *record & 1;
}

static __attribute__((noinline)) int
two(const __u64 *record)
{
	return *record & 2;
}

CSD_PROGRAM
int functions(const __u64 *record)
{
	int (*function)(const __u64 *) = *record & 4 ? one : two;

	CSD_OPAQUE(function);
	return function == one;
}
