/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_VERIFY_H
#define CSD_VERIFY_H

#include "csd_code.h"

#include "csd_flow.h"

/*
 * Proves that a record program ends, reads nothing but its record, parameters, state and initialised stack, writes
 * nothing but state and stack, and lets no address out. 0, -EINVAL with a reason, or -ENOMEM.
 */
int csd_verify(const struct csd_code *code, char reason[CSD_REASON_BYTES]);

/*
 * The same for code that runs in a worker, whose forms csd_check.h took: all instructions of RFC 9669 but calls. A division by
 * zero is none of its business there. -EINVAL: `doubt` says what is not proved, and whether it is wrong for certain.
 */
int csd_verify_worker(const struct csd_code *code, struct csd_doubt *doubt);

#endif
