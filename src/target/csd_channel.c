/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_channel.h"
#include "csd_object.h"
#include "csd_shared.h"

#include "spdk/nvmf_cmd.h"
#include "spdk/thread.h"
#include "spdk/util.h"

/* How often it is looked whether somebody still waits for the runs that have not begun. */
#define SWEEP_MICROSECONDS	10000
/* How often it is looked whether the turn of those has come that wait for a run of their slot on another thread. */
#define QUEUE_MICROSECONDS	1000

/* Workers of a program, as long as it is in its slot. */
struct csd_channel_pool {
	struct csd_loaded *loaded;
	struct csd_pool *pool;
	uint32_t runs;
	TAILQ_ENTRY(csd_channel_pool) link;
};

struct csd_channel {
	struct spdk_io_channel *work;
	struct spdk_poller *sweeper;
	struct spdk_poller *queue_poller;
	struct csd_shares shares;
	TAILQ_HEAD(, csd_run) runs;	/* also those that have not begun */
	TAILQ_HEAD(, csd_run) queue;	/* of these: a run before them has what their program's maps keep. They take no room of others */
	struct csd_reader_buffers buffers;
	struct spdk_io_channel *workers;
	TAILQ_HEAD(, csd_channel_pool) pools;
};

static void
csd_channel_close_pool(struct csd_channel *channel, struct csd_channel_pool *pool)
{
	TAILQ_REMOVE(&channel->pools, pool, link);
	csd_workers_close(channel->workers, pool->pool);
	csd_loaded_put(pool->loaded);
	free(pool);
}

static struct csd_channel_pool *
csd_channel_open_pool(struct csd_channel *channel, struct csd_loaded *loaded, const struct csd_pool_memory *memories,
		      uint32_t count)
{
	struct csd_channel_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL) {
		return NULL;
	}
	pool->pool = csd_workers_open(channel->workers, loaded->blob, &loaded->header, memories, count,
				      loaded->object->writable != 0 ? CSD_COPIES_ROOM : 0);
	if (pool->pool == NULL) {
		free(pool);
		return NULL;
	}
	pool->loaded = csd_loaded_get(loaded);
	TAILQ_INSERT_HEAD(&channel->pools, pool, link);
	return pool;
}

/*
 * One whose workers see what the subsystem has now. After a change of its namespaces they go: a memory that left it may be
 * another subsystem's by now.
 */
static struct csd_channel_pool *
csd_channel_take_pool(struct csd_channel *channel, struct csd_run *run)
{
	struct csd_pool_memory memories[CSD_WORKERS_MEMORIES];
	uint32_t count = csd_shared_in_subsystem(run->req, memories, CSD_WORKERS_MEMORIES);
	struct csd_channel_pool *pool, *next, *found = NULL;

	TAILQ_FOREACH_SAFE(pool, &channel->pools, link, next) {
		if (csd_pool_has_memories(pool->pool, memories, count)) {
			found = pool->loaded == run->loaded ? pool : found;
		} else if (pool->runs == 0) {
			csd_channel_close_pool(channel, pool);
		}
	}
	if (found == NULL) {
		found = csd_channel_open_pool(channel, run->loaded, memories, count);
	}
	if (found != NULL) {
		found->runs++;
	}
	return found;
}

static void
csd_channel_put_pool(struct csd_channel *channel, struct csd_channel_pool *pool)
{
	pool->runs--;
	if (pool->runs == 0 && csd_loaded_is_retired(pool->loaded)) {
		csd_channel_close_pool(channel, pool);
	}
}

static struct csd_run *
csd_channel_run_of(struct csd_waiter *waiter)
{
	return SPDK_CONTAINEROF(waiter, struct csd_run, waiter);
}

/* Those that have room now get their first turns. */
static void
csd_channel_admit(struct csd_channel *channel)
{
	struct csd_waiter *waiter;

	while ((waiter = csd_shares_next(&channel->shares)) != NULL) {
		csd_work_ready(&csd_channel_run_of(waiter)->work);
	}
	if (channel->shares.waiting > 0) {
		spdk_poller_resume(channel->sweeper);
	} else {
		spdk_poller_pause(channel->sweeper);
	}
}

static void
csd_channel_unqueue(struct csd_channel *channel, struct csd_run *run)
{
	run->queued = false;
	TAILQ_REMOVE(&channel->queue, run, queue);
}

/* Its turn has come, or never will: nobody waits for it. */
static void
csd_channel_call(struct csd_channel *channel, struct csd_run *run, bool wanted)
{
	csd_channel_unqueue(channel, run);
	if (!wanted) {
		run->interrupted = true;
		run->ended = true;
		csd_work_ready(&run->work);
	} else if (csd_shares_join(&channel->shares, &run->waiter, run->work.turn.host, run->req->qpair) != 0) {
		csd_run_fail(run, SPDK_NVME_SCT_COMMAND_SPECIFIC, NVME_SC_INSUFFICIENT_PROGRAM_RESOURCES);
		csd_work_ready(&run->work);
	}
}

static bool
csd_channel_look_at_queue(struct csd_channel *channel)
{
	struct csd_run *run, *next;
	bool called = false;

	TAILQ_FOREACH_SAFE(run, &channel->queue, queue, next) {
		bool wanted = csd_request_wanted(run->req);

		if (!wanted || csd_kept_has(run->loaded->kept, &run->turn)) {
			csd_channel_call(channel, run, wanted);
			called = true;
		}
	}
	if (TAILQ_EMPTY(&channel->queue)) {
		spdk_poller_pause(channel->queue_poller);
	}
	return called;
}

static int
csd_channel_poll_queue(void *ctx)
{
	struct csd_channel *channel = ctx;

	if (!csd_channel_look_at_queue(channel)) {
		return SPDK_POLLER_IDLE;
	}
	csd_channel_admit(channel);
	return SPDK_POLLER_BUSY;
}

/* To those that wait for room; or first to those that wait for what their program's maps keep. 0 or -ENOMEM. */
static int
csd_channel_join(struct csd_channel *channel, struct csd_run *run)
{
	struct csd_kept *kept = run->loaded->kept;
	int rc;

	if (kept != NULL && csd_kept_join(kept, &run->turn, spdk_nvmf_request_get_host_nqn(run->req)) != 0) {
		return -ENOMEM;
	}
	if (kept != NULL && !csd_kept_has(kept, &run->turn)) {
		run->queued = true;
		TAILQ_INSERT_TAIL(&channel->queue, run, queue);
		spdk_poller_resume(channel->queue_poller);
		return 0;
	}
	rc = csd_shares_join(&channel->shares, &run->waiter, run->work.turn.host, run->req->qpair);
	if (rc != 0 && kept != NULL) {
		csd_kept_leave(kept, &run->turn);
	}
	return rc;
}

static void
csd_channel_notified(void *ctx)
{
	struct csd_run *run = ctx;

	csd_work_ready(&run->work);
}

static void
csd_channel_finish(struct csd_channel *channel, struct csd_run *run)
{
	struct spdk_io_channel *io_channel = run->io_channel;
	struct csd_channel_pool *pool = run->pool;

	TAILQ_REMOVE(&channel->runs, run, link);
	if (run->waiter.share != NULL) {
		csd_shares_leave(&channel->shares, &run->waiter);
	}
	csd_work_end(&run->work);
	if (run->loaded->kept != NULL) {
		csd_kept_leave(run->loaded->kept, &run->turn);
	}
	csd_run_finish(run);
	if (pool != NULL) {
		csd_channel_put_pool(channel, pool);
	}
	csd_channel_look_at_queue(channel);
	csd_channel_admit(channel);
	spdk_put_io_channel(io_channel);
}

/* What runs the program. False: no memory for it. */
static bool
csd_channel_equip(struct csd_channel *channel, struct csd_run *run)
{
	run->workers = channel->workers;
	run->pool = csd_channel_take_pool(channel, run);
	run->wait.pool = run->pool != NULL ? run->pool->pool : NULL;
	return run->pool != NULL;
}

/* In a turn of its own, for a pool may have to be made first. */
static void
csd_channel_begin(struct csd_channel *channel, struct csd_run *run)
{
	if (!csd_slots_may_begin(run->slots, run->pind)) {
		csd_run_fail(run, SPDK_NVME_SCT_COMMAND_SPECIFIC, NVME_SC_PROGRAM_NOT_ACTIVATED);
	} else if (!csd_channel_equip(channel, run)) {
		csd_run_fail(run, SPDK_NVME_SCT_COMMAND_SPECIFIC, NVME_SC_INSUFFICIENT_PROGRAM_RESOURCES);
	} else {
		run->started = true;
		run->input.buffers = &channel->buffers;
		csd_run_start(run, csd_channel_notified);
	}
	csd_work_ready(&run->work);
}

static void
csd_channel_slice(struct csd_work *work)
{
	struct csd_run *run = SPDK_CONTAINEROF(work, struct csd_run, work);

	if (!run->started && !run->ended && !run->aborted && csd_request_wanted(run->req)) {
		csd_channel_begin(run->channel, run);
		return;
	}
	switch (csd_run_slice(run)) {
	case CSD_RUN_READY:
		csd_work_ready(&run->work);
		break;
	case CSD_RUN_WAITS:
		break;
	case CSD_RUN_ENDED:
		csd_channel_finish(run->channel, run);
		break;
	}
}

/* Nobody waits for the runs of this queue that have not begun: they end, for SPDK waits for them to let go of the queue. */
static void
csd_channel_drop_waiting(struct csd_channel *channel, struct csd_share *share)
{
	uint32_t left;

	/* The share goes with its last run. */
	for (left = share->waiting; left > 0; left--) {
		struct csd_waiter *waiter = TAILQ_FIRST(&share->waiters);

		if (waiter == NULL) {
			break;	/* the others have begun meanwhile, and see it themselves */
		}
		csd_shares_take(&channel->shares, waiter);
		csd_run_slice(csd_channel_run_of(waiter));
		csd_channel_finish(channel, csd_channel_run_of(waiter));
	}
}

static int
csd_channel_sweep(void *ctx)
{
	struct csd_channel *channel = ctx;
	struct csd_share *share, *next;
	int rc = SPDK_POLLER_IDLE;

	TAILQ_FOREACH_SAFE(share, &channel->shares.list, link, next) {
		struct csd_waiter *waiter = TAILQ_FIRST(&share->waiters);

		if (waiter != NULL && !csd_request_wanted(csd_channel_run_of(waiter)->req)) {
			csd_channel_drop_waiting(channel, share);
			rc = SPDK_POLLER_BUSY;
		}
	}
	return rc;
}

int
csd_channel_submit(struct csd_compute *compute, struct csd_run *run)
{
	struct spdk_io_channel *io_channel = csd_channel_get(compute);
	struct csd_channel *channel = spdk_io_channel_get_ctx(io_channel);
	int rc = csd_work_begin(&run->work, channel->work, spdk_nvmf_request_get_host_nqn(run->req), csd_channel_slice);

	if (rc == 0) {
		rc = csd_channel_join(channel, run);
		if (rc != 0) {
			csd_work_end(&run->work);
		}
	}
	if (rc != 0) {
		spdk_put_io_channel(io_channel);
		return rc;
	}
	run->io_channel = io_channel;
	run->channel = channel;
	TAILQ_INSERT_TAIL(&channel->runs, run, link);
	csd_channel_admit(channel);
	return 0;
}

static bool
csd_channel_abort_run(struct csd_channel *channel, struct spdk_nvmf_request *req)
{
	struct csd_run *run;

	TAILQ_FOREACH(run, &channel->runs, link) {
		if (run->req == req) {
			break;
		}
	}
	if (run == NULL || run->ended || run->stores) {
		return false;	/* too late: it is about to be answered */
	}
	if (run->queued) {
		csd_channel_unqueue(channel, run);
	} else if (run->waiter.waits) {
		csd_shares_take(&channel->shares, &run->waiter);
	}
	run->aborted = true;
	csd_work_ready(&run->work);
	return true;
}

bool
csd_channel_abort(struct csd_compute *compute, struct spdk_nvmf_request *req)
{
	struct spdk_io_channel *io_channel = csd_channel_get(compute);
	bool found = csd_channel_abort_run(spdk_io_channel_get_ctx(io_channel), req);

	spdk_put_io_channel(io_channel);
	return found;
}

static void
csd_channel_free(struct csd_channel *channel)
{
	spdk_poller_unregister(&channel->sweeper);
	spdk_poller_unregister(&channel->queue_poller);
	if (channel->work != NULL) {
		spdk_put_io_channel(channel->work);
	}
	if (channel->workers != NULL) {
		spdk_put_io_channel(channel->workers);
	}
	csd_reader_buffers_free(&channel->buffers);
}

static int
csd_channel_create(void *io_device, void *ctx)
{
	struct csd_channel *channel = ctx;

	(void)io_device;
	TAILQ_INIT(&channel->runs);
	TAILQ_INIT(&channel->queue);
	TAILQ_INIT(&channel->pools);
	csd_shares_init(&channel->shares);
	channel->work = csd_work_hold();
	channel->workers = csd_workers_hold();
	channel->sweeper = SPDK_POLLER_REGISTER(csd_channel_sweep, channel, SWEEP_MICROSECONDS);
	channel->queue_poller = SPDK_POLLER_REGISTER(csd_channel_poll_queue, channel, QUEUE_MICROSECONDS);
	if (channel->work == NULL || channel->sweeper == NULL || channel->queue_poller == NULL ||
	    channel->workers == NULL) {
		csd_channel_free(channel);
		return -ENOMEM;
	}
	spdk_poller_pause(channel->sweeper);
	spdk_poller_pause(channel->queue_poller);
	return 0;
}

static void
csd_channel_destroy(void *io_device, void *ctx)
{
	struct csd_channel *channel = ctx;

	(void)io_device;
	assert(TAILQ_EMPTY(&channel->runs));
	while (!TAILQ_EMPTY(&channel->pools)) {
		csd_channel_close_pool(channel, TAILQ_FIRST(&channel->pools));
	}
	csd_channel_free(channel);
}

void
csd_channels_init(struct csd_compute *compute)
{
	spdk_io_device_register(compute, csd_channel_create, csd_channel_destroy, sizeof(struct csd_channel), "csd_compute");
}

void
csd_channels_fini(struct csd_compute *compute, void (*done)(void *compute))
{
	spdk_io_device_unregister(compute, done);
}

struct spdk_io_channel *
csd_channel_get(struct csd_compute *compute)
{
	return spdk_get_io_channel(compute);
}

struct csd_channel_purge_all {
	void (*done)(void *compute);
	void *compute;
};

static void
csd_channel_purge(struct spdk_io_channel_iter *iter)
{
	struct csd_channel *channel = spdk_io_channel_get_ctx(spdk_io_channel_iter_get_channel(iter));
	struct csd_channel_pool *pool, *next;

	TAILQ_FOREACH_SAFE(pool, &channel->pools, link, next) {
		if (pool->runs == 0 && csd_loaded_is_retired(pool->loaded)) {
			csd_channel_close_pool(channel, pool);
		}
	}
	spdk_for_each_channel_continue(iter, 0);
}

static void
csd_channel_purged(struct spdk_io_channel_iter *iter, int status)
{
	struct csd_channel_purge_all *purge = spdk_io_channel_iter_get_ctx(iter);

	(void)status;
	purge->done(purge->compute);
	free(purge);
}

void
csd_channels_purge(struct csd_compute *compute, void (*done)(void *compute))
{
	struct csd_channel_purge_all *purge = calloc(1, sizeof(*purge));

	if (purge == NULL) {
		done(compute);	/* they stay until others push them out */
		return;
	}
	purge->done = done;
	purge->compute = compute;
	spdk_for_each_channel(compute, csd_channel_purge, purge, csd_channel_purged);
}
