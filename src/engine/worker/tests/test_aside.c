/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What is done aside: each order once, in order; what is dropped is freed once, whenever that was. LeakSanitizer looks, too. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sched.h>

#include "csd_kit.h"
#include "csd_now.h"
#include "csd_ring.h"
#include "test.h"

#define MANY		1000
#define PATIENCE_NS	20000000000ULL

struct order {
	struct csd_aside_order order;
	uint32_t number;
};

static struct csd_aside *aside;
static pthread_t thread;
static uint32_t worked, freed, next;
static sem_t gate, begun;

static void
aside_begin(void)
{
	thread = pthread_self();
}

static void
aside_work(struct csd_aside_order *order)
{
	CHECK(pthread_equal(pthread_self(), thread), "on another thread");
	CHECK_EQUAL(((struct order *)order)->number, next);
	next++;
	worked++;
}

static void
aside_wait(struct csd_aside_order *order)
{
	(void)order;
	sem_post(&begun);
	while (sem_wait(&gate) != 0) {
		CHECK(errno == EINTR, "no semaphore");
	}
}

static void
aside_free(struct csd_aside_order *order)
{
	CHECK(pthread_equal(pthread_self(), thread), "freed on another thread");
	freed++;
	free(order);
}

static struct order *
aside_order(void (*work)(struct csd_aside_order *order), uint32_t number)
{
	struct order *order = calloc(1, sizeof(*order));

	CHECK(order != NULL, "no memory");
	order->order.work = work;
	order->order.drop = aside_free;
	order->number = number;
	return order;
}

static void
aside_until_done(const struct csd_aside_order *order)
{
	uint64_t deadline = csd_now() + PATIENCE_NS;

	while (!csd_aside_is_done(order)) {
		CHECK(csd_now() < deadline, "an order is done");
		sched_yield();
	}
}

/* Dropped before it was asked, while it waits, while it is worked at, and when it is done. */
static void
test_drop(void)
{
	struct order *held = aside_order(aside_work, UINT32_MAX), *under_way = aside_order(aside_wait, 0);
	struct order *waits = aside_order(aside_work, 0), *done = aside_order(aside_work, 1);

	csd_aside_ask(aside, &under_way->order);
	csd_aside_ask(aside, &waits->order);
	csd_aside_ask(aside, &done->order);
	while (sem_wait(&begun) != 0) {
		CHECK(errno == EINTR, "no semaphore");
	}
	csd_aside_drop(aside, &held->order);
	csd_aside_drop(aside, &waits->order);
	csd_aside_drop(aside, &under_way->order);
	CHECK(!csd_aside_is_done(&done->order), "out of order");
	sem_post(&gate);
	aside_until_done(&done->order);
	csd_aside_drop(aside, &done->order);
}

static void
test_many(void)
{
	static struct order *orders[MANY];

	for (uint32_t i = 0; i < MANY; i++) {
		orders[i] = aside_order(aside_work, 2 + i);
		csd_aside_ask(aside, &orders[i]->order);
	}
	for (uint32_t i = 0; i < MANY; i++) {
		aside_until_done(&orders[i]->order);
		csd_aside_drop(aside, &orders[i]->order);
	}
}

/* Of zeros, as long as it was asked for. */
static void
test_kit(void)
{
	struct csd_kit *kit = csd_kit_ask(aside, 5000, 3 << 20, 0), *none = csd_kit_ask(aside, UINT64_MAX, 1, 1);

	CHECK(kit != NULL && none != NULL, "no memory");
	aside_until_done(&kit->order);
	CHECK_EQUAL(kit->rc, 0);
	CHECK(kit->ring->length >= CSD_RING_BYTES && kit->data->length == 8192 && kit->window->length == 3 << 20, "other lengths");
	CHECK(kit->output == NULL, "an output that nobody asked for");
	for (size_t i = 0; i < kit->window->length; i++) {
		CHECK(kit->window->base[i] == 0, "byte %zu", i);
	}
	aside_until_done(&none->order);
	CHECK(none->rc == -EINVAL && none->data == NULL, "%d", none->rc);
	csd_kit_drop(aside, kit);
	csd_kit_drop(aside, none);
	csd_kit_drop(aside, NULL);
	/* Dropped while it may be under way. */
	csd_kit_drop(aside, csd_kit_ask(aside, 1, 1, 1));
}

int
main(void)
{
	CHECK(sem_init(&gate, 0, 0) == 0 && sem_init(&begun, 0, 0) == 0, "no semaphore");
	aside = csd_aside_create(aside_begin);
	CHECK(aside != NULL, "no thread");
	test_drop();
	test_many();
	test_kit();
	csd_aside_destroy(aside);
	CHECK_EQUAL(worked, 2 + MANY);
	CHECK_EQUAL(freed, 4 + MANY);
	printf("test_aside: passed\n");
	return 0;
}
