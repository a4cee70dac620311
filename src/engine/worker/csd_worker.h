/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What csd_spawner tells csd_worker as it starts it, through descriptor 3; the others follow in this order: 4 the blob,
 * 5 the ring, 6 the program's data, from 7 on the memories.
 */
#ifndef CSD_WORKER_H
#define CSD_WORKER_H

#include <stdint.h>

#include "csd_layout.h"

enum csd_worker_descriptor {
	CSD_WORKER_SETUP = 3,
	CSD_WORKER_BLOB,
	CSD_WORKER_RING,
	CSD_WORKER_DATA,
	CSD_WORKER_MEMORY,
};

struct csd_worker_memory {
	uint64_t offset;	/* in its memfd: whole pages, of the kind that it is made of */
	uint64_t length;	/* likewise; at most CSD_LAYOUT_MAX_MEMORY */
	uint64_t writable;
};

struct csd_worker_setup {
	int32_t spawner;		/* pid: who must be the worker's parent */
	uint32_t memory_count;
	uint64_t blob_bytes;
	uint64_t data_bytes;
	uint64_t spin_nanoseconds;
	struct csd_worker_memory memories[CSD_LAYOUT_MEMORIES];
};

/* How a worker ends by itself. Everything else is a signal. */
enum csd_worker_exit {
	CSD_WORKER_FAULT = 3,	/* of the program: struct csd_ring_fault says where */
	CSD_WORKER_REFUSED = 4,	/* it could not be set up: its last words are on stderr */
};

#endif
