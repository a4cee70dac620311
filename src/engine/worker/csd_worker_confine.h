/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A worker gives up all but what it takes to wait, to look at the clock and to end. */
#ifndef CSD_WORKER_CONFINE_H
#define CSD_WORKER_CONFINE_H

#include "csd_confine.h"

/* 0, or -errno with `what` that failed. A kernel without Landlock is no failure: the layers that stand are in `confined`. */
int csd_worker_confine(struct csd_confined *confined, const char **what);

#endif
