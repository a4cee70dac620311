/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* SPDK's environment for a small initiator: one core, a little memory, nothing printed and nothing left behind. */
#ifndef CSD_ENVIRONMENT_H
#define CSD_ENVIRONMENT_H

#include "csd_io.h"

/* 0, or negative with `err`. */
int csd_environment_start(const char *name, const struct csd_place *place, struct csd_error *err);

#endif
