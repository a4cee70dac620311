/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Runs programs in workers, for one thread of a target. Nothing here waits: whoever uses it calls csd_executor_poll()
 * again and again, and looks.
 *
 * A pool is one program with the memory that its workers may see. A worker of it serves one owner (a host) from its first
 * request to its end, so that nothing a program keeps of one host's data reaches another; for the next owner there is
 * another process. Some are started ahead.
 */
#ifndef CSD_EXECUTOR_H
#define CSD_EXECUTOR_H

#include <time.h>

#include "csd_private_memory.h"
#include "csd_memory.h"
#include "csd_ring.h"
#include "csd_spawner_link.h"

struct csd_executor_options {
	struct csd_background *background;	/* makes workers' memories, and frees them; must outlive the executor */
	uint32_t stack_bytes;
	uint64_t spin_nanoseconds;	/* that a worker looks for the next request before it sleeps */
	uint64_t cpu_nanoseconds;	/* that a command may take; looked at every CSD_EXECUTOR_LOOK_MS */
	uint64_t start_nanoseconds;	/* until a process must be ready */
	const int *cpus;		/* for workers, by turns; they must outlive the executor */
	uint32_t cpu_count;		/* 0: any */
	uint32_t idle_most;		/* workers with an owner but no command that a pool keeps */
	uint32_t most;			/* workers altogether, at most CSD_SPAWNER_CHILDREN; for the next one an idle one ends */
};
#define CSD_EXECUTOR_LOOK_MS	5

/* What a pool's workers see besides: memories from number 0 on. Each worker's own come behind them. */
struct csd_pool_memory {
	struct csd_memory *memory;
	uint64_t offset, length;
	bool writable;
};

struct csd_pool_options {
	struct csd_memory *blob;	/* checked by csd_blob_check() */
	uint64_t blob_bytes;
	uint64_t data_bytes;		/* of the program, by its blob's header */
	const struct csd_pool_memory *memories;
	uint32_t memory_count;		/* at most CSD_LAYOUT_MEMORIES - 2 */
	uint64_t window_bytes;		/* of a worker's own memory for input, which it only reads */
	uint64_t output_bytes;		/* and of that for output */
	uint32_t spares;		/* workers started ahead */
};

enum csd_worker_state {
	CSD_WORKER_STARTING,
	CSD_WORKER_SPARE,	/* without an owner */
	CSD_WORKER_IDLE,
	CSD_WORKER_BUSY,	/* with a command */
	CSD_WORKER_ENDING,	/* its process is being ended */
	CSD_WORKER_GONE,	/* it has none any more; with a command: until csd_worker_release() */
};

/* Why a worker's command did not come to its end. */
enum csd_worker_end {
	CSD_WORKER_END_NONE,
	CSD_WORKER_END_FAULT,	/* what the program did; fault.signal says how */
	CSD_WORKER_END_TIME,	/* more than cpu_nanoseconds; fault.instruction is where it was */
	CSD_WORKER_END_FORGED,	/* an answer that cannot be true */
	CSD_WORKER_END_KILLED,	/* from outside */
	CSD_WORKER_END_ASKED,	/* by csd_worker_end() */
	CSD_WORKER_END_START,	/* it could not be started, or not in time */
};

struct csd_executor;
struct csd_pool;

struct csd_worker {
	/* for whoever took it: */
	uint32_t window_number;		/* of its own memories, for references */
	uint32_t output_number;
	struct csd_memory *window;	/* NULL: none was asked for */
	struct csd_memory *output;
	struct csd_memory *data;	/* the program's: NULL if it has none */
	enum csd_worker_state state;
	enum csd_worker_end end;
	uint32_t layers;		/* that shut it in, as it said before its program ran: a bit for each enum csd_layer */
	struct csd_ring_fault fault;	/* CSD_WORKER_END_FAULT and _TIME: as the worker said, or the kernel */
	uint64_t cpu_nanoseconds;	/* that its process took: set at its end */

	/* csd_executor.c's: */
	struct csd_pool *pool;
	struct csd_worker *next;
	struct csd_private_memory *own;		/* all of its own memories */
	struct csd_ring_side side;
	uint64_t owner;
	uint32_t id;
	pid_t pid;			/* 0: not yet known, or no more */
	clockid_t clock;		/* of its CPU time */
	bool taken;
	bool order_waits;		/* to be sent to the spawner: */
	enum csd_spawner_order order;
	uint64_t since;			/* ns: it started, or its command began */
	uint64_t cpu_before;		/* ns of CPU, when its command began, or */
	bool cpu_counted;		/* the one before it ended: a look costs a microsecond */
	uint64_t looked;		/* ns */
};

struct csd_executor *csd_executor_create(const struct csd_executor_options *options);	/* NULL: no memory */
/*
 * No worker may be taken. Pools that are not closed are freed with it: their workers end when their spawner does. That one
 * is the caller's again, to be closed.
 */
struct csd_spawner_link csd_executor_destroy(struct csd_executor *executor);

/* An opened spawner, at the beginning and again when csd_executor_poll() said -EPIPE. */
void csd_executor_give_spawner(struct csd_executor *executor, const struct csd_spawner_link *link);

/* Its process; 0: none. */
pid_t csd_executor_spawner(const struct csd_executor *executor);

/* Whether a worker was ready already; then the layers that shut in every one that was: a bit for each enum csd_layer. */
bool csd_executor_layers(const struct csd_executor *executor, uint32_t *layers);

/*
 * Hears the spawner, ends what takes too long, starts spares. 0; or -EPIPE: the spawner is gone, all workers with it, and
 * *dead is its link, to be closed. To call it as often as one likes costs little: it looks every 0.1 ms.
 */
int csd_executor_poll(struct csd_executor *executor, struct csd_spawner_link *dead);

/* NULL: no memory, or too many memories. Keeps its own references to the memories. */
struct csd_pool *csd_pool_create(struct csd_executor *executor, const struct csd_pool_options *options);
/* Ends all workers. False: some are still there, or still taken; poll, and call again. True: freed. */
bool csd_pool_close(struct csd_pool *pool);

/* These bytes as its workers see them. False: they do not lie in a memory of the pool. */
bool csd_pool_refer(const struct csd_pool *pool, const void *bytes, uint64_t length, struct csd_ring_reference *reference);
/* Whether these are its memories, one by one. */
bool csd_pool_has_memories(const struct csd_pool *pool, const struct csd_pool_memory *memories, uint32_t count);

/* A worker for a command of this owner: an idle one of its own, or a spare. NULL: none is ready; poll, and ask again. */
struct csd_worker *csd_pool_take(struct csd_pool *pool, uint64_t owner);
/* Whether it would give one now. */
bool csd_pool_has(const struct csd_pool *pool, uint64_t owner);

/* A request of the command. False: CSD_RING_DEPTH are under way, or the worker is no more. */
bool csd_worker_ask(struct csd_worker *worker, struct csd_ring_request *request);
/* Whether there is news: an answer, or its end. Costs a look at memory. */
bool csd_worker_has_news(const struct csd_worker *worker);
/* The next answer: true. False: not yet; or never, if worker->state is CSD_WORKER_GONE. */
bool csd_worker_answer(struct csd_worker *worker, uint64_t most_consumed, struct csd_ring_answer *answer);
/*
 * Lines that its program wrote with bpf_printk(): for the answer that was just taken; or, with NULL, for all that it has not
 * answered, before csd_worker_release(). `lost`: bytes for which there was no room, as the worker says.
 */
typedef void (*csd_worker_lines)(void *ctx, const uint8_t *lines, uint32_t bytes, uint64_t lost);
void csd_worker_take_lines(struct csd_worker *worker, const struct csd_ring_answer *answer, csd_worker_lines take, void *ctx);
/*
 * CPU time that its process took for the command: once, at the end of it. What the process then spends on looking for the next
 * one is that one's. 0 if nobody can know: it is gone, and so is its spawner.
 */
uint64_t csd_worker_cpu_time(struct csd_worker *worker);
/* Its command is not wanted any more: ends its process. */
void csd_worker_end(struct csd_worker *worker);
/*
 * The command is over. An idle worker is kept for its owner; one with requests under way is ended; nobody touches it
 * after this.
 */
void csd_worker_release(struct csd_worker *worker);

#endif
