/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE	/* madvise() */
#include "csd_kit.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "csd_ring.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23	/* since Linux 5.14 */
#endif

static int
kit_memory(const char *name, uint64_t bytes, unsigned int flags, struct csd_memory **memory)
{
	int rc = bytes == 0 ? 0 : csd_memory_create(name, bytes, flags, memory);

	if (*memory != NULL) {
		/* Else the reactor would meet each page's first use. Where the kernel cannot, it does. */
		madvise((*memory)->base, (*memory)->length, MADV_POPULATE_WRITE);
	}
	return rc;
}

static void
kit_make(struct csd_background_task *task)
{
	struct csd_kit *kit = (struct csd_kit *)task;

	kit->rc = kit_memory("csd-ring", CSD_RING_BYTES, 0, &kit->ring);
	kit->rc = kit->rc != 0 ? kit->rc : kit_memory("csd-data", kit->data_bytes, 0, &kit->data);
	kit->rc = kit->rc != 0 ? kit->rc : kit_memory("csd-window", kit->window_bytes, CSD_MEMORY_READ_ONLY, &kit->window);
	kit->rc = kit->rc != 0 ? kit->rc : kit_memory("csd-output", kit->output_bytes, 0, &kit->output);
}

static void
kit_free(struct csd_background_task *task)
{
	struct csd_kit *kit = (struct csd_kit *)task;

	csd_memory_put(kit->ring);
	csd_memory_put(kit->data);
	csd_memory_put(kit->window);
	csd_memory_put(kit->output);
	free(kit);
}

struct csd_kit *
csd_kit_ask(struct csd_background *background, uint64_t data_bytes, uint64_t window_bytes, uint64_t output_bytes)
{
	struct csd_kit *kit = calloc(1, sizeof(*kit));

	if (kit != NULL) {
		kit->task = (struct csd_background_task) {.work = kit_make, .drop = kit_free};
		kit->data_bytes = data_bytes;
		kit->window_bytes = window_bytes;
		kit->output_bytes = output_bytes;
		csd_background_submit(background, &kit->task);
	}
	return kit;
}

void
csd_kit_drop(struct csd_background *background, struct csd_kit *kit)
{
	if (kit != NULL) {
		csd_background_drop(background, &kit->task);
	}
}
