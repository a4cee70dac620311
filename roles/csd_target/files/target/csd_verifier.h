/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Verification of programs, one after the other on a thread of its own: it takes milliseconds, and would block a reactor. */
#ifndef CSD_VERIFIER_H
#define CSD_VERIFIER_H

#include "csd_slots.h"

/* `loaded` NULL: refused, and why. Called on the thread that asked. */
typedef void (*csd_verified)(void *ctx, uint16_t pind, struct csd_loaded *loaded, const char *reason);

/* Takes over the verification's bytes if it returns 0; -ENOMEM, -EAGAIN (no thread to be had) leave them. */
int csd_verifier_submit(const struct csd_verification *verification, csd_verified verified, void *ctx);

#endif
