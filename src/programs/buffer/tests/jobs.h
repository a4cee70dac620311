/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What the bench has each program do; names of programs are those of their files. */
#ifndef JOBS_H
#define JOBS_H

#include "run.h"

/* Fills in the job, over `bytes` of input that lie at `input`. False: there is none of this name. */
bool job_make(const char *name, uint64_t bytes, uint8_t *input, struct job *job);

#endif
