/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_CHECK_H
#define CSD_CHECK_H

#include "csd_object.h"

/*
 * The structure of a program: each instruction is one of RFC 9669's base groups (base32, base64, atomic32, atomic64,
 * divmul32, divmul64) with its unused fields zero; jumps stay in their function and hit no second half; no function runs
 * past its end; calls hit functions; what r10 itself addresses lies in the frame. Everything behind it may rely on this.
 * It says nothing about other addresses, about loops that do not end or about the depth of calls: those are left to the
 * process that runs it. 0, -EINVAL with a reason, or -ENOMEM.
 */
int csd_check(const struct csd_object *object, char reason[CSD_REASON_BYTES]);

#endif
