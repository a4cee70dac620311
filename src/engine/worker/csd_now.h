/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_NOW_H
#define CSD_NOW_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since the machine began. No system call, where the vDSO has the clock. */
static inline uint64_t
csd_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
