/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Commands for the filters, written short, and what both are tested by. */
#ifndef ASK_FILTER_H
#define ASK_FILTER_H

#include "csd_programs.h"
#include "run.h"

#define KEEP_LESS	CSD_LESS
#define KEEP_LEAST	(CSD_GREATER | CSD_EQUAL)	/* at least */
#define KEEP_OTHER	(CSD_LESS | CSD_GREATER)

/* A path has '/' between names. The job is good until the next call. */
struct job ask_filter(struct csd_filter given, const char *name, const char *operand);

/* What data are refused; `given` and the rest are good. */
void check_wrong_filters(const struct program *program, struct csd_filter given, const char *name);

#endif
