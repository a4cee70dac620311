/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_VERIFY_H
#define CSD_VERIFY_H

#include "csd_code.h"

/*
 * Proves that a record program ends, reads nothing but its record, parameters, state and initialised stack, writes
 * nothing but state and stack, and lets no address out. 0, -EINVAL with a reason, or -ENOMEM.
 */
int csd_verify(const struct csd_code *code, char reason[CSD_REASON_BYTES]);

#endif
