/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Which programs are taken, when csd_tgt was started with --programs-policy: "isolated" (the default), all that a worker can
 * hold, proved or not; "verified", what the verifier proves and nothing else.
 */
#ifndef CSD_POLICY_H
#define CSD_POLICY_H

#include "csd_proof.h"

/* Before SPDK starts. 0, or -EINVAL: there is no such policy. */
int csd_policy_configure(const char *name);

const char *csd_policy_name(void);

/* Whether a program with this verdict is taken; if not, why. */
bool csd_policy_takes(const struct csd_proof *proof, char reason[CSD_REASON_BYTES]);

#endif
