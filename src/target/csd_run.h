/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * One command that runs a program, from the moment its fields are checked until it is answered: Execute Program over
 * memory, Scan over a data namespace. It advances in slices, which csd_channel.c hands out.
 */
#ifndef CSD_RUN_H
#define CSD_RUN_H

#include "csd_bpf.h"
#include "csd_copies.h"
#include "csd_output.h"
#include "csd_ranges.h"
#include "csd_reader.h"
#include "csd_shares.h"
#include "csd_slots.h"
#include "csd_work.h"
#include "csd_workers.h"

struct csd_channel;
struct csd_channel_pool;

struct csd_run_parameters {
	uint64_t cparam1;
	uint64_t cparam2;
	const void *data;
	uint32_t data_bytes;	/* at most CSD_DATA_BYTES */
	const void *state;	/* state_bytes to begin with; NULL: zeros */
};

/* A part of the input that a worker was asked for; one may be asked for ahead (CSD_RING_CHAINED). */
struct csd_run_part {
	uint64_t bytes;		/* of input */
	uint64_t room;
	bool last;		/* the input ends with it */
	bool chained;
};

struct csd_run {
	/* Set by csd_compute.c and the command's prepare function, */
	struct spdk_nvmf_request *req;
	struct csd_slots *slots;
	uint16_t pind;
	struct csd_loaded *loaded;		/* acquired from the slot */
	struct csd_range_sets *sets;
	uint16_t rsid;				/* acquired; 0: none */
	struct csd_run_parameters parameters;	/* its data, if any, lie in: */
	uint8_t data[CSD_DATA_BYTES];
	struct csd_range_memory ranges[CSD_RING_RANGES];	/* that the program sees beside input and output */
	uint32_t range_count;
	struct csd_copies copies;		/* of those that the program writes to */
	uint64_t length;			/* of the input */
	struct csd_window window;		/* the input in memory, or what of it is at hand */
	bool reads;				/* the input is in a bdev: */
	struct csd_reader_options input;
	bool has_output;			/* false: what is emitted only counts */
	struct csd_output output;		/* starts with struct csd_result */
	struct iovec memory_output;		/* for output.iov, where that is not the request's */
	uint8_t *state_output;			/* also the state goes there; NULL: no */
	/* Answers the command after a run that came to its end. The result is in the output already. */
	void (*answer)(struct csd_run *run, const struct csd_result *result);

	/* by csd_channel.c, */
	struct csd_channel *channel;
	struct spdk_io_channel *io_channel;
	TAILQ_ENTRY(csd_run) link;
	struct csd_work work;
	struct csd_turn turn;			/* of what the program's maps keep: until it has that */
	bool queued;				/* it is in the queue of those that wait: */
	TAILQ_ENTRY(csd_run) queue;
	struct csd_waiter waiter;
	bool started;
	bool aborted;				/* by the host */
	struct spdk_io_channel *workers;
	struct csd_channel_pool *pool;
	struct csd_workers_wait wait;		/* with its pool, and its worker as soon as it has one */

	/* and by csd_run.c and csd_run_worker.c. */
	struct csd_reader *reader;
	uint64_t next;				/* byte of the input: the next record */
	uint64_t records;
	uint64_t matches;
	uint64_t ticks;
	struct csd_run_part part[CSD_WORKERS_PARTS];	/* with the worker: so many, from this one on */
	uint32_t parts;
	uint32_t oldest;
	uint64_t asked_at;			/* ticks: the oldest began */
	uint64_t cpu_nanoseconds;		/* that its worker took, once it has let go of it */
	struct csd_ring_reference asked;	/* the input that they are of, */
	uint64_t asked_from;			/* from this byte of the whole on */
	struct csd_copies kept;			/* of what its program's maps keep */
	bool kept_next;				/* the ranges are copied, those come next */
	bool filled;				/* the copies are what ranges and maps were */
	bool copying;				/* to or from the copies: there is more */
	bool begun;				/* by the worker */
	bool answered;				/* the end is known; what was asked ahead comes to nothing */
	bool stores;				/* it ended well, and its copies go back: all of them, whatever comes */
	uint8_t *worker_state;			/* as it is at the end of the run */
	enum csd_result_end end;
	bool ended;
	bool interrupted;
	bool failed;
	uint8_t status_code_type;
	uint8_t status_code;
};

struct csd_run *csd_run_create(struct spdk_nvmf_request *req);

/* Its pool is there: begins. A run that cannot be begun fails, and is ended like any other. */
void csd_run_start(struct csd_run *run, void (*notify)(void *run));

/* It ends with this status. */
void csd_run_fail(struct csd_run *run, uint8_t status_code_type, uint8_t status_code);

/*
 * Of a command's ranges those that the program sees beside input and output, from the third on; and which of them it writes
 * to. 0; or -1: these are longer than they may be.
 */
int csd_run_take_ranges(struct csd_run *run, const struct csd_range_memory *memory, uint32_t count,
			struct csd_refusal *refusal);

enum csd_run_state {
	CSD_RUN_READY,	/* for another slice */
	CSD_RUN_WAITS,	/* for a notification */
	CSD_RUN_ENDED,	/* no I/O is under way: csd_run_finish() */
};

/* Takes what the worker has done, and asks it for more. The program's own time passes there: a slice never waits for it. */
enum csd_run_state csd_run_slice(struct csd_run *run);

/* Answers the command, gives back what was acquired, frees. */
void csd_run_finish(struct csd_run *run);
/* Before anything was begun: frees, without an answer. */
void csd_run_discard(struct csd_run *run);

#endif
