/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * csd_spawner starts workers and ends them, for one target: it alone knows their processes. It has no part of the drive
 * in its memory, only descriptors that it hands on. The two talk by packets over a socket, descriptors beside them. When
 * the socket closes, everything that it started ends, and so does it; when it is killed, its workers die with it.
 *
 *	csd_spawner [--user UID] WORKER
 *
 * with the socket as descriptor 3. As root, workers run as UID (and GID of the same number).
 */
#ifndef CSD_SPAWNER_H
#define CSD_SPAWNER_H

#include "csd_worker.h"

#define CSD_SPAWNER_SOCKET	3
#define CSD_SPAWNER_CHILDREN	256
/* Between a worker's being asked where it is, by SIGXCPU, and its end. */
#define CSD_SPAWNER_ASKED_MS	1000

enum csd_spawner_order {
	CSD_SPAWNER_START,	/* descriptors: blob, ring, data, memories */
	CSD_SPAWNER_ASK,	/* where it is, and end it: for the log of a program that takes too long */
	CSD_SPAWNER_KILL,
};

/* Target to spawner. */
struct csd_spawner_request {
	uint32_t order;
	uint32_t id;		/* of the child: chosen by the target, unlike those of all that have not ended yet */
	int32_t cpu;		/* it may run on; -1: any */
	uint32_t stack_bytes;
	struct csd_worker_setup setup;	/* but `spawner` */
};

enum csd_spawner_event {
	CSD_SPAWNER_STARTED,	/* its process is there */
	CSD_SPAWNER_FAILED,	/* there is none; `status` is errno */
	CSD_SPAWNER_ENDED,	/* `status` as of wait() */
};

/* Spawner to target. One STARTED and one ENDED, or one FAILED, for each START. */
struct csd_spawner_answer {
	uint32_t event;
	uint32_t id;
	int32_t pid;
	int32_t status;
	uint64_t cpu_nanoseconds;	/* ENDED: that it took, user and system */
};

#endif
