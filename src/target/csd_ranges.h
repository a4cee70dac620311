/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Memory range sets of a compute namespace, and ranges in general: which bytes of which SLM namespaces a program works
 * on. A range names its namespace by NSID, which means one in the subsystem of the command that uses it, never
 * another's; so a range is looked up again whenever it is used.
 */
#ifndef CSD_RANGES_H
#define CSD_RANGES_H

#include <pthread.h>

#include "csd_compute.h"
#include "csd_refusal.h"

#include "spdk/nvmf.h"

/*
 * A set serves every host of the subsystem. A host may make half of them; and the last quarter is for hosts that have
 * none, so no host's sets keep another from making one. When the controller that made a set has gone, the set stays
 * (a tool may connect for each step) until another one needs its place: then the oldest such set that nobody uses goes.
 */
struct csd_range_set {
	uint8_t ranges;		/* 0: there is no such set */
	uint32_t users;		/* running commands */
	const void *maker;	/* its controller; NULL: that has gone */
	uint64_t made;		/* the sets' generation then */
	char host[SPDK_NVMF_NQN_MAX_LEN + 1];
	struct nvme_memory_range range[NVME_CSD_MAX_RANGES];
};

/* Shared by all threads, under its mutex. Set RSID is at index RSID - 1, for RSID 0 means none. */
struct csd_range_sets {
	pthread_mutex_t mutex;
	uint16_t size;
	uint64_t generation;
	struct csd_range_set *set;
};

int csd_range_sets_init(struct csd_range_sets *sets, uint16_t size);
void csd_range_sets_fini(struct csd_range_sets *sets);

/* Memory that a range stands for. */
struct csd_range_memory {
	uint8_t *bytes;
	uint64_t length;
};

/* Checks ranges as one set: each within its SLM namespace, none overlapping another; and says where they are. */
int csd_ranges_resolve(struct spdk_nvmf_request *req, const struct nvme_memory_range *ranges, uint32_t count,
		       struct csd_range_memory *memory, struct csd_refusal *refusal);

int csd_range_sets_create(struct csd_range_sets *sets, struct spdk_nvmf_request *req,
			  const struct nvme_memory_range *ranges, uint32_t count, uint16_t *rsid,
			  struct csd_refusal *refusal);
/* The controller has gone. */
void csd_range_sets_forget(struct csd_range_sets *sets, const void *maker);
int csd_range_sets_delete(struct csd_range_sets *sets, uint16_t rsid, struct csd_refusal *refusal);

/* For a command that uses the set: it stays until csd_range_sets_release(). */
int csd_range_sets_acquire(struct csd_range_sets *sets, struct spdk_nvmf_request *req, uint16_t rsid,
			   struct csd_range_memory memory[NVME_CSD_MAX_RANGES], uint32_t *count,
			   struct csd_refusal *refusal);
void csd_range_sets_release(struct csd_range_sets *sets, uint16_t rsid);	/* 0: nothing to do */

#endif
