/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Which namespaces of a subsystem can be used together: logs 1Ah and 1Bh. Group 1 has what is copied (blocks and memory),
 * group 2 what computes; all of the one and all of the other reach each other. Plain: knows nothing of SPDK.
 */
#ifndef CSD_REACHABILITY_H
#define CSD_REACHABILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nvme_csd.h"

struct csd_reachable {
	uint32_t nsid;
	uint8_t csi;
};

/* The group (RGRPID) that all namespaces of a command set are in. */
uint32_t csd_reachability_group(uint8_t csi);

/*
 * The log pages, of the namespaces that are attached, in the order of their NSIDs. `only`: the descriptors without the
 * NSIDs or RGIDs (RGO, RAO). From malloc(); NULL: no memory.
 */
void *csd_reachability_groups(const struct csd_reachable *namespaces, uint32_t count, bool only, size_t *length);
void *csd_reachability_associations(const struct csd_reachable *namespaces, uint32_t count, bool only, size_t *length);

#endif
