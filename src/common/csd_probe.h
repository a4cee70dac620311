/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Why a target does not let us in. SPDK's initiator says only that connecting failed (and waits two minutes for a
 * host that is not there), so the question is asked again by hand: TCP, ICReq, one Connect command, its status.
 */
#ifndef CSD_PROBE_H
#define CSD_PROBE_H

#include "csd_io.h"

/* 0 where the address accepts TCP connections. */
int csd_probe_reach(const struct csd_place *place, struct csd_error *err);

/* Always fails; `err` says what the target answered. */
int csd_probe_explain(const struct csd_place *place, struct csd_error *err);

#endif
