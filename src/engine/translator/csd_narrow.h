/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_NARROW_H
#define CSD_NARROW_H

#include "csd_object.h"

/*
 * Before which instruction the upper half of which registers is certainly zero: bit n of narrow[at] stands for rn. For a
 * function that csd_check() took. 0 or -ENOMEM.
 */
int csd_narrow(const struct csd_object *object, const struct csd_function *function, uint16_t *narrow);

#endif
