/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Lists of CPUs, such as "1,3-5". Plain: knows nothing of SPDK. Whoever includes it has _GNU_SOURCE. */
#ifndef CSD_CPUS_H
#define CSD_CPUS_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

#define CSD_CPUS_MOST		CPU_SETSIZE
#define CSD_CPUS_WHY_BYTES	256

/*
 * The CPUs of a list, each once, in its order: how many. -EINVAL: it is no list, or one of them is not among those that
 * are usable; `why` says which.
 */
int csd_cpus_parse(const char *text, const cpu_set_t *usable, int cpus[CSD_CPUS_MOST], char why[CSD_CPUS_WHY_BYTES]);

/* A set as such a list. What has no room is left out. */
void csd_cpus_write(const cpu_set_t *set, char *text, size_t room);

#endif
