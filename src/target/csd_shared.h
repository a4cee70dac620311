/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Memory of the drive that programs in workers see where it lies: data of csd_ram bdevs, and SLM. It is a memfd
 * (csd_memory.h), of huge pages where the target itself has such of 2 MiB and the pool has enough; whoever maps it beside the
 * target can only read it.
 */
#ifndef CSD_SHARED_H
#define CSD_SHARED_H

#include "spdk/nvmf_cmd.h"

#include "csd_executor.h"
#include "csd_memory.h"

struct csd_shared {
	struct csd_memory *memory;
	bool registered;	/* with SPDK: devices reach it */
};

/* Zeros. 0 or -errno; `name` is what /proc shows. Takes as long as its pages take to be made: for RPC. */
int csd_shared_create(const char *name, uint64_t bytes, struct csd_shared *shared);
/* A worker that still sees it keeps it. Twice does no harm. */
void csd_shared_destroy(struct csd_shared *shared);

/* What of this kind the request's own subsystem has, to be read: how many, at most `most`. */
uint32_t csd_shared_in_subsystem(struct spdk_nvmf_request *req, struct csd_pool_memory *memories, uint32_t most);

#endif
