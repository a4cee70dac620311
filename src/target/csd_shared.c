/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_shared.h"

/* As DPDK 20.05 still calls rte_mem_virt2memseg(). */
#define ALLOW_EXPERIMENTAL_API
#include <rte_memory.h>

#include "spdk/env.h"
#include "spdk/nvmf.h"
#include "spdk_internal/log.h"

#include "csd_ram.h"
#include "csd_slm.h"

#define SHARED_HUGE_PAGE	(2ull << 20)

/* Pages of another size than the target's own are somebody else's. */
static bool
csd_shared_may_be_huge(void)
{
	void *own = spdk_dma_malloc(SPDK_CACHE_LINE_SIZE, 0, NULL);
	const struct rte_memseg *segment = own != NULL ? rte_mem_virt2memseg(own, NULL) : NULL;
	bool huge = segment != NULL && segment->hugepage_sz == SHARED_HUGE_PAGE;

	spdk_dma_free(own);
	return huge;
}

int
csd_shared_create(const char *name, uint64_t bytes, struct csd_shared *shared)
{
	bool huge = csd_shared_may_be_huge();
	int rc = csd_memory_create(name, bytes, CSD_MEMORY_READ_ONLY | (huge ? CSD_MEMORY_HUGE : 0), &shared->memory);

	if (rc != 0) {
		return rc;
	}
	if (huge && !shared->memory->huge) {
		SPDK_NOTICELOG("%s: %zu MiB of ordinary memory: there are not enough huge pages of 2 MiB\n", name,
			       shared->memory->length >> 20);
	}
	/* Only devices of this machine need to know where it lies, and only root can say. */
	shared->registered = shared->memory->huge && geteuid() == 0 &&
			     spdk_mem_register(shared->memory->base, shared->memory->length) == 0;
	return 0;
}

void
csd_shared_destroy(struct csd_shared *shared)
{
	if (shared->registered) {
		spdk_mem_unregister(shared->memory->base, shared->memory->length);
	}
	csd_memory_put(shared->memory);
	*shared = (struct csd_shared) {};
}

static struct csd_memory *
csd_shared_of(struct spdk_bdev *bdev)
{
	struct csd_namespace *ns = csd_namespace_of(bdev);

	return ns != NULL ? csd_slm_shared(ns) : csd_ram_shared(bdev);
}

uint32_t
csd_shared_in_subsystem(struct spdk_nvmf_request *req, struct csd_pool_memory *memories, uint32_t most)
{
	struct spdk_nvmf_subsystem *subsystem = spdk_nvmf_request_get_subsystem(req);
	struct spdk_nvmf_ns *ns;
	uint32_t count = 0;

	for (ns = spdk_nvmf_subsystem_get_first_ns(subsystem); ns != NULL && count < most;
	     ns = spdk_nvmf_subsystem_get_next_ns(subsystem, ns)) {
		struct csd_memory *memory = csd_shared_of(spdk_nvmf_ns_get_bdev(ns));

		if (memory != NULL && memory->length <= CSD_LAYOUT_MAX_MEMORY) {
			memories[count++] = (struct csd_pool_memory) {.memory = memory, .length = memory->length};
		}
	}
	return count;
}
