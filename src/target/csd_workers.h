/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Programs in processes of their own. csd_worker, csd_spawner and csd_compile lie beside csd_tgt, or in the folder that
 * --workers names.
 */
#ifndef CSD_WORKERS_H
#define CSD_WORKERS_H

#include "spdk/stdinc.h"
#include "spdk/thread.h"

#include "csd_blob_get.h"
#include "csd_executor.h"

/*
 * Of a worker: input at a time, where it is copied, with room behind it for the state and data that a run begins with; and output,
 * for each of the parts that may be under way. Input at a time that lies in a memory of its pool.
 */
#define CSD_WORKERS_INPUT	(1u << 20)
#define CSD_WORKERS_SHARED	(4u << 20)
#define CSD_WORKERS_PARTS	2
#define CSD_WORKERS_MEMORIES	(CSD_LAYOUT_MEMORIES - 2)
#define CSD_WORKERS_BEGIN	8192
#define CSD_WORKERS_OUTPUT	(256u << 10)
/* Behind the output: copies of ranges that its program writes to (csd_copies.h). */
#define CSD_WORKERS_COPIES	(CSD_WORKERS_PARTS * CSD_WORKERS_OUTPUT)

/* Before SPDK starts. 0, or -errno: there is no such program in the folder. */
int csd_workers_configure(const char *folder);
/* Where compiled programs are kept (csd_cache.h). 0, or -errno: no folder of this process alone. */
int csd_workers_set_cache(const char *folder);
/* Compiled programs of another machine; nothing is compiled here then. Twice, if they lie in two. 0, or -errno: no such folder. */
int csd_workers_set_blobs(const char *folder);
/* That a command may take, as text: 1 to 3600000. 0 or -EINVAL. */
int csd_workers_set_cpu_milliseconds(const char *text);
/* On which they run, as text: "1,3-5". Not called: all that no reactor has. 0 or -EINVAL. */
int csd_workers_set_cpus(const char *text);
/* When all is set: looks for the programs beside csd_tgt, if no folder was named. 0, or -errno: they are not there. */
int csd_workers_check(void);

/* The CPUs on which they run, after csd_workers_init(): how many. */
uint32_t csd_workers_cpus(const int **cpus);

/* Between them csd_workers_hold(). */
void csd_workers_init(void);
void csd_workers_fini(void);

/* Compiles, or finds it in the cache; waits for that, so not on a reactor. For any thread; as csd_blob_get(). */
enum csd_blob_end csd_workers_compile(const void *object, size_t length, const bool *cancelled,
				      struct csd_memory **blob,
				      struct csd_blob_header *header, char reason[CSD_REASON_BYTES]);

/* This thread's executor, as long as the channel is not put; NULL: no memory. */
struct spdk_io_channel *csd_workers_hold(void);

/*
 * A pool on this thread for a program that sees these memories besides its own, with so much room for copies of ranges. NULL: no
 * memory.
 */
struct csd_pool *csd_workers_open(struct spdk_io_channel *held, struct csd_memory *blob, const struct csd_blob_header *header,
				  const struct csd_pool_memory *memories, uint32_t memory_count, uint64_t copies_bytes);
/* Nobody runs it any more: it goes when its workers have ended. */
void csd_workers_close(struct spdk_io_channel *held, struct csd_pool *pool);

/* Who waits for a worker of a pool, or for the one that it has. */
struct csd_workers_wait {
	struct csd_pool *pool;
	uint64_t owner;
	struct csd_worker *worker;	/* NULL: for one */
	/* Once, on this thread, from a poller: there is one, or news of it; or 5 ms have passed. */
	void (*notify)(void *ctx);
	void *ctx;
	bool waits;
	TAILQ_ENTRY(csd_workers_wait) link;
};
void csd_workers_wait(struct spdk_io_channel *held, struct csd_workers_wait *wait);
void csd_workers_forget(struct spdk_io_channel *held, struct csd_workers_wait *wait);

/* A host as an owner: 64 bits of the SHA-256 of its name. */
uint64_t csd_workers_owner(const char *host_nqn);

#endif
