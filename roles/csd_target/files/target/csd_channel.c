/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_channel.h"

#include "spdk/thread.h"

/*
 * More runs at a time would not be faster on one thread, but take more memory; the others wait their turn. Idle
 * instances beyond the second number go, the one that is idle longest first.
 */
#define MAX_RUNS	8
#define MAX_IDLE	16

TAILQ_HEAD(csd_runs, csd_run);

struct idle_instance {
	struct csd_loaded *loaded;
	struct csd_instance *instance;
	TAILQ_ENTRY(idle_instance) link;
};

TAILQ_HEAD(idle_instances, idle_instance);

struct csd_channel {
	struct spdk_poller *poller;
	struct csd_runs queued;		/* not started */
	struct csd_runs ready;
	struct csd_runs waiting;	/* for their data */
	uint32_t started;
	struct idle_instances idle;
	uint32_t idle_count;
	uint8_t *sink;
};

static void
destroy_idle(struct csd_channel *channel, struct idle_instance *idle)
{
	TAILQ_REMOVE(&channel->idle, idle, link);
	channel->idle_count--;
	csd_instance_destroy(idle->instance);
	csd_loaded_put(idle->loaded);
	free(idle);
}

static struct csd_instance *
take_instance(struct csd_channel *channel, struct csd_loaded *loaded)
{
	struct idle_instance *idle;
	struct csd_instance *instance;

	TAILQ_FOREACH(idle, &channel->idle, link) {
		if (idle->loaded == loaded) {
			instance = idle->instance;
			TAILQ_REMOVE(&channel->idle, idle, link);
			channel->idle_count--;
			csd_loaded_put(idle->loaded);
			free(idle);
			return instance;
		}
	}
	return csd_instance_create(loaded->program);
}

static void
keep_instance(struct csd_channel *channel, struct csd_loaded *loaded, struct csd_instance *instance)
{
	struct idle_instance *idle = calloc(1, sizeof(*idle));

	if (idle == NULL) {
		csd_instance_destroy(instance);
		return;
	}
	idle->loaded = csd_loaded_get(loaded);
	idle->instance = instance;
	TAILQ_INSERT_HEAD(&channel->idle, idle, link);
	channel->idle_count++;
	if (channel->idle_count > MAX_IDLE) {
		destroy_idle(channel, TAILQ_LAST(&channel->idle, idle_instances));
	}
}

/* Of the hosts' queues that wait, the one that has the fewest runs under way: a deep queue does not hold up a shallow one. */
static struct csd_run *
next_queued(struct csd_channel *channel)
{
	struct csd_run *run, *other, *best = NULL;
	uint32_t under_way, fewest = UINT32_MAX;

	TAILQ_FOREACH(run, &channel->queued, link) {
		under_way = 0;
		TAILQ_FOREACH(other, &channel->ready, link) {
			under_way += other->req->qpair == run->req->qpair;
		}
		TAILQ_FOREACH(other, &channel->waiting, link) {
			under_way += other->req->qpair == run->req->qpair;
		}
		if (under_way < fewest) {
			fewest = under_way;
			best = run;
		}
	}
	return best;
}

static void
wake(struct csd_run *run)
{
	struct csd_channel *channel = run->channel;

	if (run->waiting) {
		run->waiting = false;
		TAILQ_REMOVE(&channel->waiting, run, link);
		TAILQ_INSERT_TAIL(&channel->ready, run, link);
		spdk_poller_resume(channel->poller);
	}
}

static void
notified(void *run)
{
	wake(run);
}

static void
finish(struct csd_channel *channel, struct csd_run *run)
{
	struct spdk_io_channel *io_channel = run->io_channel;
	struct csd_instance *instance = run->instance;
	struct csd_loaded *loaded = csd_loaded_get(run->loaded);

	if (run->started) {
		channel->started--;
	}
	csd_run_finish(run);
	if (instance != NULL) {
		keep_instance(channel, loaded, instance);
	}
	csd_loaded_put(loaded);
	spdk_put_io_channel(io_channel);
}

static void
start_queued(struct csd_channel *channel)
{
	struct csd_run *run;
	struct csd_instance *instance;

	while (channel->started < MAX_RUNS && (run = next_queued(channel)) != NULL) {
		TAILQ_REMOVE(&channel->queued, run, link);
		instance = take_instance(channel, run->loaded);
		if (instance == NULL) {
			run->failed = true;
			run->ended = true;
			run->status_code_type = SPDK_NVME_SCT_COMMAND_SPECIFIC;
			run->status_code = NVME_SC_INSUFFICIENT_PROGRAM_RESOURCES;
		} else {
			run->started = true;
			channel->started++;
			csd_run_start(run, instance, channel->sink, notified);
		}
		TAILQ_INSERT_TAIL(&channel->ready, run, link);
	}
}

/* One slice of one run, so that between two the thread does its other work. */
static int
poll_runs(void *ctx)
{
	struct csd_channel *channel = ctx;
	struct csd_run *run;

	start_queued(channel);
	run = TAILQ_FIRST(&channel->ready);
	if (run == NULL) {
		spdk_poller_pause(channel->poller);
		return SPDK_POLLER_IDLE;
	}
	TAILQ_REMOVE(&channel->ready, run, link);
	switch (csd_run_slice(run)) {
	case CSD_RUN_READY:
		TAILQ_INSERT_TAIL(&channel->ready, run, link);
		break;
	case CSD_RUN_WAITS:
		run->waiting = true;
		TAILQ_INSERT_TAIL(&channel->waiting, run, link);
		break;
	case CSD_RUN_ENDED:
		finish(channel, run);
		break;
	}
	return SPDK_POLLER_BUSY;
}

void
csd_channel_submit(struct csd_compute *compute, struct csd_run *run)
{
	run->io_channel = csd_channel_get(compute);
	run->channel = spdk_io_channel_get_ctx(run->io_channel);
	TAILQ_INSERT_TAIL(&run->channel->queued, run, link);
	spdk_poller_resume(run->channel->poller);
}

static struct csd_run *
find(struct csd_runs *runs, struct spdk_nvmf_request *req)
{
	struct csd_run *run;

	TAILQ_FOREACH(run, runs, link) {
		if (run->req == req) {
			return run;
		}
	}
	return NULL;
}

static bool
abort_run(struct csd_channel *channel, struct spdk_nvmf_request *req)
{
	struct csd_run *run = find(&channel->queued, req);

	if (run != NULL) {
		TAILQ_REMOVE(&channel->queued, run, link);
		TAILQ_INSERT_HEAD(&channel->ready, run, link);
		spdk_poller_resume(channel->poller);
	} else if ((run = find(&channel->ready, req)) == NULL && (run = find(&channel->waiting, req)) == NULL) {
		return false;
	}
	if (run->ended) {
		return false;	/* too late: it is about to be answered */
	}
	run->aborted = true;
	wake(run);
	return true;
}

bool
csd_channel_abort(struct csd_compute *compute, struct spdk_nvmf_request *req)
{
	struct spdk_io_channel *io_channel = csd_channel_get(compute);
	bool found = abort_run(spdk_io_channel_get_ctx(io_channel), req);

	spdk_put_io_channel(io_channel);
	return found;
}

static int
create(void *io_device, void *ctx)
{
	struct csd_channel *channel = ctx;

	(void)io_device;
	channel->sink = malloc(CSD_SINK_BYTES);
	if (channel->sink == NULL) {
		return -ENOMEM;
	}
	TAILQ_INIT(&channel->queued);
	TAILQ_INIT(&channel->ready);
	TAILQ_INIT(&channel->waiting);
	TAILQ_INIT(&channel->idle);
	channel->poller = SPDK_POLLER_REGISTER(poll_runs, channel, 0);
	spdk_poller_pause(channel->poller);
	return 0;
}

static void
destroy(void *io_device, void *ctx)
{
	struct csd_channel *channel = ctx;

	(void)io_device;
	assert(TAILQ_EMPTY(&channel->queued) && TAILQ_EMPTY(&channel->ready) && TAILQ_EMPTY(&channel->waiting));
	while (!TAILQ_EMPTY(&channel->idle)) {
		destroy_idle(channel, TAILQ_FIRST(&channel->idle));
	}
	spdk_poller_unregister(&channel->poller);
	free(channel->sink);
}

void
csd_channels_init(struct csd_compute *compute)
{
	spdk_io_device_register(compute, create, destroy, sizeof(struct csd_channel), "csd_compute");
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

struct purge {
	void (*done)(void *compute);
	void *compute;
};

static void
purge_channel(struct spdk_io_channel_iter *iter)
{
	struct csd_channel *channel = spdk_io_channel_get_ctx(spdk_io_channel_iter_get_channel(iter));
	struct idle_instance *idle, *next;

	TAILQ_FOREACH_SAFE(idle, &channel->idle, link, next) {
		if (csd_loaded_is_retired(idle->loaded)) {
			destroy_idle(channel, idle);
		}
	}
	spdk_for_each_channel_continue(iter, 0);
}

static void
purged(struct spdk_io_channel_iter *iter, int status)
{
	struct purge *purge = spdk_io_channel_iter_get_ctx(iter);

	(void)status;
	purge->done(purge->compute);
	free(purge);
}

void
csd_channels_purge(struct csd_compute *compute, void (*done)(void *compute))
{
	struct purge *purge = calloc(1, sizeof(*purge));

	if (purge == NULL) {
		done(compute);	/* they stay until others push them out */
		return;
	}
	purge->done = done;
	purge->compute = compute;
	spdk_for_each_channel(compute, purge_channel, purge, purged);
}
