/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What the workers' tests share: an executor with its spawner, and one command from its begin to its end. */
#ifndef LAB_H
#define LAB_H

#include "csd_executor.h"
#include "csd_now.h"
#include "csd_worker.h"

#define LAB_TIMEOUT_MS		20000	/* what takes longer hangs */
#define LAB_WINDOW_BYTES	65536
#define LAB_OUTPUT_BYTES	65536
#define LAB_MOST		12	/* workers */
#define LAB_CPU_NS		200000000ULL

struct lab {
	struct csd_spawner_paths paths;
	struct csd_background *background;
	struct csd_executor *executor;
	struct csd_memory *blob;
	struct csd_blob_header header;
	uint64_t longest_poll;		/* ns of CPU time */
	uint64_t polls;
	uint32_t respawned;
};

struct outcome {
	bool answered;
	struct csd_ring_answer answer;
	uint64_t state[8];		/* the program's, if it was answered */
	uint64_t out;			/* the first that it emitted */
	enum csd_worker_end end;
	struct csd_ring_fault fault;
	uint32_t layers;
	uint64_t began, ended;		/* ns */
};

/* `folder` has csd_spawner, csd_worker and hostile.csd. */
void lab_open(struct lab *lab, const char *folder, const char *user);
void lab_close(struct lab *lab);

/* One look, timed; a spawner that is gone is replaced. */
void lab_poll(struct lab *lab);
/* Fails the test with `what` when the deadline (ns) has passed. */
void lab_wait(struct lab *lab, uint64_t deadline, const char *what);

struct csd_pool *lab_pool(struct lab *lab, const struct csd_pool_memory *memories, uint32_t count);
void lab_pool_close(struct lab *lab, struct csd_pool *pool);

struct csd_worker *lab_take(struct lab *lab, struct csd_pool *pool, uint64_t owner);
/* Asks for one run over all of the window, whose bytes are `fill`. */
void lab_ask(struct csd_worker *worker, uint64_t what, uint64_t with, uint8_t fill);
/* Whether its command is over, with the answer or without. Takes what it needs from the worker and releases it. */
bool lab_over(const struct lab *lab, struct csd_worker *worker, struct outcome *outcome);

struct outcome lab_run(struct lab *lab, struct csd_pool *pool, uint64_t owner, uint64_t what, uint64_t with);
/* As HOSTILE_NOT answers. */
void lab_check_honest(const struct outcome *outcome, uint64_t with, uint8_t fill);

/* Processes of this name, as ps has it, that this one or what it started has started. */
uint32_t lab_processes(const char *wanted);
uint32_t lab_descriptors(void);

#endif
