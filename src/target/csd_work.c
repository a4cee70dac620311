/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_work.h"

#include "spdk/util.h"

struct csd_work_thread {
	struct csd_turns turns;
	struct spdk_poller *poller;
};

/* Its address is the io_device. */
static int g_csd_work;

static int
csd_work_poll(void *ctx)
{
	struct csd_work_thread *thread = ctx;
	struct csd_turn *turn = csd_turns_next(&thread->turns);
	struct csd_work *work;

	if (turn == NULL) {
		spdk_poller_pause(thread->poller);
		return SPDK_POLLER_IDLE;
	}
	work = SPDK_CONTAINEROF(turn, struct csd_work, turn);
	work->slice(work);
	return SPDK_POLLER_BUSY;
}

static int
csd_work_channel_create(void *io_device, void *ctx)
{
	struct csd_work_thread *thread = ctx;

	(void)io_device;
	csd_turns_init(&thread->turns);
	thread->poller = SPDK_POLLER_REGISTER(csd_work_poll, thread, 0);
	if (thread->poller == NULL) {
		return -ENOMEM;
	}
	spdk_poller_pause(thread->poller);
	return 0;
}

static void
csd_work_channel_destroy(void *io_device, void *ctx)
{
	struct csd_work_thread *thread = ctx;

	(void)io_device;
	assert(TAILQ_EMPTY(&thread->turns.hosts));
	spdk_poller_unregister(&thread->poller);
}

void
csd_work_init(void)
{
	spdk_io_device_register(&g_csd_work, csd_work_channel_create, csd_work_channel_destroy,
				sizeof(struct csd_work_thread), "csd_work");
}

void
csd_work_fini(void)
{
	spdk_io_device_unregister(&g_csd_work, NULL);
}

struct spdk_io_channel *
csd_work_hold(void)
{
	return spdk_get_io_channel(&g_csd_work);
}

int
csd_work_begin(struct csd_work *work, struct spdk_io_channel *held, const char *host_nqn,
	       void (*slice)(struct csd_work *work))
{
	work->thread = spdk_io_channel_get_ctx(held);
	work->slice = slice;
	return csd_turns_join(&work->thread->turns, &work->turn, host_nqn);
}

void
csd_work_ready(struct csd_work *work)
{
	csd_turns_ask(&work->thread->turns, &work->turn);
	spdk_poller_resume(work->thread->poller);
}

void
csd_work_end(struct csd_work *work)
{
	csd_turns_leave(&work->thread->turns, &work->turn);
}
