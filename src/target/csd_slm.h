/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* SLM namespaces (CSI 03h): memory of the drive that hosts copy into, and programs read and write. */
#ifndef CSD_SLM_H
#define CSD_SLM_H

#include "csd_memory.h"
#include "csd_namespace.h"
#include "csd_slm_check.h"

/* Makes the bdev `name` of `bytes` of zeroed memory (csd_shared.h). 0 or -errno; RPC bdev_csd_slm_create. */
int csd_slm_create(const char *name, uint64_t bytes, const struct spdk_uuid *uuid);

/* Its memory; NULL: the namespace is no SLM. */
uint8_t *csd_slm_memory(struct csd_namespace *ns, uint64_t *bytes);
/* The same as workers see it. */
struct csd_memory *csd_slm_shared(struct csd_namespace *ns);

#endif
