/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Compute namespaces (CSI 04h): slots for programs, memory range sets, and running them. */
#ifndef CSD_COMPUTE_H
#define CSD_COMPUTE_H

#include "csd_namespace.h"

struct csd_compute_options {
	uint16_t slots;			/* PIND 0 .. slots - 1; default 16 */
	uint16_t max_active;		/* default 0: slots */
	uint16_t max_range_sets;	/* default 16 */
	uint32_t max_program_bytes;	/* of one program; default 64 KiB */
	uint64_t max_total_bytes;	/* of all programs; default 1 MiB; whole MiB */
	uint8_t program_type;		/* PTYPE of eBPF, beside 01h; default C0h */
};

void csd_compute_default_options(struct csd_compute_options *options);

/* A controller has gone: its half loaded programs go, and its range sets may. On the thread of its subsystem. */
void csd_compute_controller_gone(struct spdk_nvmf_ctrlr *ctrlr);

/* Makes the bdev `name`. 0 or -errno; RPC bdev_csd_compute_create. */
int csd_compute_create(const char *name, const struct csd_compute_options *options, const struct spdk_uuid *uuid);

#endif
