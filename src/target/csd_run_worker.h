/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A run's worker: part by part through its window, answered through its output. */
#ifndef CSD_RUN_WORKER_H
#define CSD_RUN_WORKER_H

#include "csd_run.h"

/* 0, or -ENOMEM. `notify` as csd_run_start() has it. */
int csd_run_worker_begin(struct csd_run *run, void (*notify)(void *run));

/* True: it waits for its worker, and will be notified. False: for another slice, for its input, or it has ended. */
bool csd_run_worker_slice(struct csd_run *run);

/* The run has ended, well or badly: lets go of the worker, which ends if it still works. Twice does no harm. */
void csd_run_worker_leave(struct csd_run *run);

/* csd_run_report.c. As long as it has its worker: how it ended, to the slot and the log; `place` as struct csd_fault has it. */
void csd_run_report_fault(struct csd_run *run, enum csd_fault_kind kind, const char *place);
/* Its worker is gone: why. */
void csd_run_report_end(struct csd_run *run);
/* What its program wrote for this answer, which was just taken. */
void csd_run_report_lines(struct csd_run *run, const struct csd_ring_answer *answer);
/* Once, before it lets go of its worker: what it wrote besides, and the CPU time that it took. */
void csd_run_report_rest(struct csd_run *run);

/* csd_run.c: the window that holds the next record is at hand. */
bool csd_run_find_window(struct csd_run *run, uint64_t *left, bool *last_window);

#endif
