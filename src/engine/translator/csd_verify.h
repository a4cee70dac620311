/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_VERIFY_H
#define CSD_VERIFY_H

#include "csd_flow.h"

/*
 * Proves that a record program ends, reads nothing but its record, parameters, state and initialised stack, writes
 * nothing but state and stack, and lets no address out. csd_check.h took its forms; it knows all instructions of RFC 9669 but
 * calls. 0, -ENOMEM, or -EINVAL: `doubt` says what is not proved, and whether it is wrong for certain.
 */
int csd_verify(const struct csd_code *code, struct csd_doubt *doubt);

#endif
