/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The memories that one worker has for itself: a background thread makes and frees them. No worker gets those of another one. */
#ifndef CSD_PRIVATE_MEMORY_H
#define CSD_PRIVATE_MEMORY_H

#include "csd_background.h"
#include "csd_memory.h"

struct csd_private_memory {
	struct csd_background_task task;
	uint64_t data_bytes, window_bytes, output_bytes;	/* 0: no such memory */
	int rc;							/* 0, or -errno: not all of them are there */
	struct csd_memory *ring, *data, *window, *output;
};

/* NULL: no memory. Else look with csd_background_is_done(). */
struct csd_private_memory *csd_private_memory_submit(struct csd_background *background, uint64_t data_bytes,
						     uint64_t window_bytes, uint64_t output_bytes);
/* NULL is fine */
void csd_private_memory_drop(struct csd_background *background, struct csd_private_memory *own);

#endif
