/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE	/* madvise() */
#include "csd_private_memory.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "csd_ring.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23	/* since Linux 5.14 */
#endif

static int
private_memory_create(const char *name, uint64_t bytes, unsigned int flags, struct csd_memory **memory)
{
	int rc = bytes == 0 ? 0 : csd_memory_create(name, bytes, flags, memory);

	if (*memory != NULL) {
		/* Else the reactor would meet each page's first use. Where the kernel cannot, it does. */
		madvise((*memory)->base, (*memory)->length, MADV_POPULATE_WRITE);
	}
	return rc;
}

static void
private_memory_make(struct csd_background_task *task)
{
	struct csd_private_memory *own = (struct csd_private_memory *)task;

	own->rc = private_memory_create("csd-ring", CSD_RING_BYTES, 0, &own->ring);
	own->rc = own->rc != 0 ? own->rc : private_memory_create("csd-data", own->data_bytes, 0, &own->data);
	own->rc = own->rc != 0 ? own->rc : private_memory_create("csd-window", own->window_bytes, CSD_MEMORY_READ_ONLY,
								 &own->window);
	own->rc = own->rc != 0 ? own->rc : private_memory_create("csd-output", own->output_bytes, 0, &own->output);
}

static void
private_memory_free(struct csd_background_task *task)
{
	struct csd_private_memory *own = (struct csd_private_memory *)task;

	csd_memory_put(own->ring);
	csd_memory_put(own->data);
	csd_memory_put(own->window);
	csd_memory_put(own->output);
	free(own);
}

struct csd_private_memory *
csd_private_memory_submit(struct csd_background *background, uint64_t data_bytes, uint64_t window_bytes,
			  uint64_t output_bytes)
{
	struct csd_private_memory *own = calloc(1, sizeof(*own));

	if (own != NULL) {
		own->task = (struct csd_background_task) {.work = private_memory_make, .drop = private_memory_free};
		own->data_bytes = data_bytes;
		own->window_bytes = window_bytes;
		own->output_bytes = output_bytes;
		csd_background_submit(background, &own->task);
	}
	return own;
}

void
csd_private_memory_drop(struct csd_background *background, struct csd_private_memory *own)
{
	if (own != NULL) {
		csd_background_drop(background, &own->task);
	}
}
