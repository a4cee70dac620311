/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What each program has to give, in plain C and as simple as can be: reference_NAME.c. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "csd_programs.h"
#include "run.h"

void reference_count_range(const struct job *job, struct result *wanted);

#endif
