/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What a background thread does: each task once, in order; what is dropped is freed once, whenever that was. LeakSanitizer looks, too. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sched.h>

#include "csd_private_memory.h"
#include "csd_now.h"
#include "csd_ring.h"
#include "test.h"

#define MANY		1000
#define TIMEOUT_NS	20000000000ULL

struct task {
	struct csd_background_task task;
	uint32_t number;
};

static struct csd_background *background;
static pthread_t thread;
static uint32_t worked, freed, next;
static sem_t gate, begun;

static void
background_begin(void)
{
	thread = pthread_self();
}

static void
background_work(struct csd_background_task *task)
{
	CHECK(pthread_equal(pthread_self(), thread), "on another thread");
	CHECK_EQUAL(((struct task *)task)->number, next);
	next++;
	worked++;
}

static void
background_wait(struct csd_background_task *task)
{
	(void)task;
	sem_post(&begun);
	while (sem_wait(&gate) != 0) {
		CHECK(errno == EINTR, "no semaphore");
	}
}

static void
background_free(struct csd_background_task *task)
{
	CHECK(pthread_equal(pthread_self(), thread), "freed on another thread");
	freed++;
	free(task);
}

static struct task *
background_task(void (*work)(struct csd_background_task *task), uint32_t number)
{
	struct task *task = calloc(1, sizeof(*task));

	CHECK(task != NULL, "no memory");
	task->task.work = work;
	task->task.drop = background_free;
	task->number = number;
	return task;
}

static void
background_until_done(const struct csd_background_task *task)
{
	uint64_t deadline = csd_now() + TIMEOUT_NS;

	while (!csd_background_is_done(task)) {
		CHECK(csd_now() < deadline, "a task is done");
		sched_yield();
	}
}

/* Dropped before it was asked, while it waits, while it is worked at, and when it is done. */
static void
test_drop(void)
{
	struct task *held = background_task(background_work, UINT32_MAX), *under_way = background_task(background_wait,
												       0);
	struct task *waits = background_task(background_work, 0), *done = background_task(background_work, 1);

	csd_background_submit(background, &under_way->task);
	csd_background_submit(background, &waits->task);
	csd_background_submit(background, &done->task);
	while (sem_wait(&begun) != 0) {
		CHECK(errno == EINTR, "no semaphore");
	}
	csd_background_drop(background, &held->task);
	csd_background_drop(background, &waits->task);
	csd_background_drop(background, &under_way->task);
	CHECK(!csd_background_is_done(&done->task), "out of order");
	sem_post(&gate);
	background_until_done(&done->task);
	csd_background_drop(background, &done->task);
}

static void
test_many(void)
{
	static struct task *tasks[MANY];

	for (uint32_t i = 0; i < MANY; i++) {
		tasks[i] = background_task(background_work, 2 + i);
		csd_background_submit(background, &tasks[i]->task);
	}
	for (uint32_t i = 0; i < MANY; i++) {
		background_until_done(&tasks[i]->task);
		csd_background_drop(background, &tasks[i]->task);
	}
}

/* Of zeros, as long as it was asked for. */
static void
test_private_memory(void)
{
	struct csd_private_memory *own = csd_private_memory_submit(background, 5000, 3 << 20, 0);
	struct csd_private_memory *none = csd_private_memory_submit(background, UINT64_MAX, 1, 1);

	CHECK(own != NULL && none != NULL, "no memory");
	background_until_done(&own->task);
	CHECK_EQUAL(own->rc, 0);
	CHECK(own->ring->length >= CSD_RING_BYTES && own->data->length == 8192 && own->window->length == 3 << 20, "other lengths");
	CHECK(own->output == NULL, "an output that nobody asked for");
	for (size_t i = 0; i < own->window->length; i++) {
		CHECK(own->window->base[i] == 0, "byte %zu", i);
	}
	background_until_done(&none->task);
	CHECK(none->rc == -EINVAL && none->data == NULL, "%d", none->rc);
	csd_private_memory_drop(background, own);
	csd_private_memory_drop(background, none);
	csd_private_memory_drop(background, NULL);
	/* Dropped while it may be under way. */
	csd_private_memory_drop(background, csd_private_memory_submit(background, 1, 1, 1));
}

int
main(void)
{
	CHECK(sem_init(&gate, 0, 0) == 0 && sem_init(&begun, 0, 0) == 0, "no semaphore");
	background = csd_background_create(background_begin);
	CHECK(background != NULL, "no thread");
	test_drop();
	test_many();
	test_private_memory();
	csd_background_destroy(background);
	CHECK_EQUAL(worked, 2 + MANY);
	CHECK_EQUAL(freed, 4 + MANY);
	printf("test_background: passed\n");
	return 0;
}
