/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Both sides of a ring in one process, and threads for the sleep: nothing that the other side writes is believed. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "csd_call.h"
#include "csd_ring.h"
#include "test.h"

#define INPUT	1000
#define OUTPUT	500

struct both {
	struct csd_ring ring;
	struct csd_ring_side side;
};

static void
ring_begin(struct both *both)
{
	memset(both, 0, sizeof(*both));
	both->side.ring = &both->ring;
}

static bool
ring_ask(struct both *both)
{
	struct csd_ring_request request = {.input = {0, 0, INPUT}, .output = {1, 0, OUTPUT}};

	return csd_ring_ask(&both->side, &request);
}

static struct csd_ring_answer
ring_right(uint32_t sequence)
{
	return (struct csd_ring_answer) {.sequence = sequence, .consumed = INPUT, .records = 10, .matches = 5, .emitted = OUTPUT, .traced = 12345};
}

static int
ring_exchange(const struct csd_ring_answer *given, struct csd_ring_answer *taken)
{
	struct both both;

	ring_begin(&both);
	CHECK(ring_ask(&both), "full");
	CHECK(csd_ring_next(&both.ring, 0) != NULL && csd_ring_next(&both.ring, 1) == NULL, "asked otherwise");
	csd_ring_answer(&both.ring, 0, given);
	return csd_ring_take(&both.side, INPUT, taken);
}

static void
ring_order(void)
{
	struct csd_ring_answer answer;
	struct both both;
	uint32_t taken = 0;

	ring_begin(&both);
	for (uint32_t round = 0; round < 100; round++) {
		CHECK_EQUAL(csd_ring_take(&both.side, INPUT, &answer), 0);
		for (uint32_t i = 0; i < CSD_RING_DEPTH; i++) {
			CHECK(ring_ask(&both), "full with %u", i);
		}
		CHECK(!ring_ask(&both), "more than %u", CSD_RING_DEPTH);
		for (uint32_t i = 0; i < CSD_RING_DEPTH; i++, taken++) {
			struct csd_ring_answer given = ring_right(csd_ring_next(&both.ring, taken)->sequence);

			given.records += taken;
			csd_ring_answer(&both.ring, taken, &given);
		}
		for (uint32_t i = 0; i < CSD_RING_DEPTH; i++) {
			CHECK_EQUAL(csd_ring_pending(&both.side), CSD_RING_DEPTH - i);
			CHECK_EQUAL(csd_ring_take(&both.side, INPUT, &answer), 1);
			CHECK_EQUAL(answer.sequence, round * CSD_RING_DEPTH + i);
			CHECK_EQUAL(answer.records, 10 + round * CSD_RING_DEPTH + i);
		}
	}
}

/* Numbers run over after 2^32 requests. */
static void
ring_wraps(void)
{
	struct csd_ring_answer answer, given;
	struct both both;

	ring_begin(&both);
	both.side.asked = both.side.answered = both.ring.asked = both.ring.answered = UINT32_MAX - 1;
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t number = UINT32_MAX - 1 + i;

		CHECK(ring_ask(&both), "full");
		given = ring_right(number);
		csd_ring_answer(&both.ring, number, &given);
		CHECK_EQUAL(csd_ring_take(&both.side, INPUT, &answer), 1);
	}
	CHECK_EQUAL(both.side.answered, 2);
}

static void
ring_forged(void)
{
	struct csd_ring_answer answer, given;

	given = ring_right(0);
	CHECK_EQUAL(ring_exchange(&given, &answer), 1);
	CHECK(memcmp(&answer, &given, sizeof(given)) == 0, "other than it was given");

#define FORGED(change) do { \
	given = ring_right(0); \
	change; \
	CHECK(ring_exchange(&given, &answer) == -EPROTO, #change); \
} while (0)
	FORGED(given.sequence = 1);
	FORGED(given.sequence = UINT32_MAX);
	FORGED(given.end = CSD_CALL_STOPPED + 1);
	FORGED(given.consumed = INPUT + 1);
	FORGED(given.consumed = UINT64_MAX);
	FORGED(given.emitted = OUTPUT + 1);
	FORGED(given.emitted = UINT64_MAX);
	FORGED(given.matches = 11);
	FORGED(given.records = INPUT + 1);
	FORGED(given.matches = given.records = UINT64_MAX);
#undef FORGED
	given = ring_right(0);
	given.records = 0;
	CHECK_EQUAL(ring_exchange(&given, &answer), 1);
}

/* Only what was chained can be skipped, and then it did nothing. */
static void
ring_skipped(void)
{
	struct csd_ring_request request = {.flags = CSD_RING_CHAINED, .input = {0, 0, INPUT}, .output = {1, 0, OUTPUT}};
	struct csd_ring_answer answer, given = {.end = CSD_RING_SKIPPED};
	struct both both;

	CHECK_EQUAL(ring_exchange(&given, &answer), -EPROTO);
	for (uint32_t wrong = 0; wrong < 5; wrong++) {
		ring_begin(&both);
		CHECK(csd_ring_ask(&both.side, &request), "full");
		given = (struct csd_ring_answer) {
			.end = CSD_RING_SKIPPED, .consumed = wrong == 1, .records = wrong == 2, .matches = wrong == 3, .emitted = wrong == 4,
		};
		csd_ring_answer(&both.ring, 0, &given);
		CHECK_EQUAL(csd_ring_take(&both.side, INPUT, &answer), wrong == 0 ? 1 : -EPROTO);
	}
}

/* What the worker has over the requests is not the target's: it judges by its own. */
static void
ring_written_over(void)
{
	struct csd_ring_answer answer, given = ring_right(0);
	struct both both;

	ring_begin(&both);
	CHECK(ring_ask(&both), "full");
	both.ring.requests[0].output.length = both.ring.requests[0].input.length = UINT64_MAX;
	both.ring.asked = 77;
	given.emitted = OUTPUT + 1;
	csd_ring_answer(&both.ring, 0, &given);
	CHECK_EQUAL(csd_ring_take(&both.side, INPUT, &answer), -EPROTO);

	for (uint32_t forged = 0; forged < 64; forged++) {
		ring_begin(&both);
		CHECK(ring_ask(&both), "full");
		given = ring_right(0);
		csd_ring_answer(&both.ring, 0, &given);
		both.ring.answered = forged < 32 ? 2 + forged : 1U << (forged - 32) | 2;
		CHECK(csd_ring_take(&both.side, INPUT, &answer) == -EPROTO, "%u answers to one request", both.ring.answered);
	}
}

/* Each request has its own; what was taken is gone; zeros at the end are none. */
static void
ring_lines(void)
{
	static uint8_t memory[CSD_RING_BYTES] __attribute__((aligned(64)));
	static uint8_t taken[CSD_RING_TRACE_BYTES];
	struct csd_ring_side side = {.ring = (struct csd_ring *)memory};

	for (uint32_t number = UINT32_MAX - 3; number != 4; number++) {
		uint32_t bytes = number % 2 == 0 ? CSD_RING_TRACE_BYTES : 9;

		memset(memory, 0, sizeof(memory));
		for (uint32_t other = 0; other < CSD_RING_DEPTH; other++) {
			memset(csd_ring_lines(side.ring, other), other == number % CSD_RING_DEPTH ? 'x' : 'o', bytes);
		}
		CHECK(csd_ring_lines(side.ring, number) + CSD_RING_TRACE_BYTES <= memory + sizeof(memory), "request %u", number);
		CHECK_EQUAL(csd_ring_take_lines(&side, number, 3, taken), 3);
		CHECK(memcmp(taken, "xxx", 3) == 0, "others' lines");
		CHECK_EQUAL(csd_ring_take_lines(&side, number, 3, taken), 0);
		CHECK_EQUAL(csd_ring_take_lines(&side, number, UINT64_MAX, taken), bytes);
		CHECK(taken[2] == 0 && taken[3] == 'x', "zeros within it are told");
		CHECK_EQUAL(csd_ring_take_lines(&side, number, UINT64_MAX, taken), 0);
		CHECK_EQUAL(csd_ring_take_lines(&side, number + 1, 0, taken), 0);
	}
}

struct sleeper {
	struct both both;
	uint32_t rounds;
	uint64_t spin;
};

static void *
ring_worker(void *context)
{
	struct sleeper *sleeper = context;

	for (uint32_t taken = 0; taken < sleeper->rounds; taken++) {
		struct csd_ring_answer answer;

		csd_ring_wait(&sleeper->both.ring, taken, sleeper->spin);
		answer = ring_right(csd_ring_next(&sleeper->both.ring, taken)->sequence);
		csd_ring_answer(&sleeper->both.ring, taken, &answer);
	}
	return NULL;
}

/* However the two meet, a worker that has gone to sleep is woken: a lost wake-up hangs, and alarm() ends the test. */
static void
ring_sleeps(uint64_t spin, uint32_t rounds)
{
	static struct sleeper sleeper;
	pthread_t thread;
	uint32_t asleep = 0;

	sleeper = (struct sleeper) {.rounds = rounds, .spin = spin};
	ring_begin(&sleeper.both);
	CHECK(pthread_create(&thread, NULL, ring_worker, &sleeper) == 0, "no thread");
	for (uint32_t round = 0; round < rounds; round++) {
		struct csd_ring_answer answer;

		if (round % 2 == 0) {
			for (uint32_t i = 0; i < round % 64 * 10; i++) {
				asleep += __atomic_load_n(&sleeper.both.ring.asleep, __ATOMIC_RELAXED) != 0;
			}
		}
		CHECK(ring_ask(&sleeper.both), "full");
		while (csd_ring_take(&sleeper.both.side, INPUT, &answer) == 0) {
			sched_yield();
		}
		CHECK_EQUAL(answer.sequence, round);
	}
	pthread_join(thread, NULL);
	printf("  %u rounds, spinning %lu ns: seen asleep %u times\n", rounds, spin, asleep);
}

int
main(void)
{
	ring_order();
	ring_wraps();
	ring_forged();
	ring_skipped();
	ring_written_over();
	ring_lines();
	alarm(60);
	ring_sleeps(0, 3000);
	ring_sleeps(20000, 3000);
	alarm(0);
	printf("test_ring: passed\n");
	return 0;
}
