/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_kept.h"

#include <stdio.h>

#include "expect.h"

#define THREADS	4
#define RUNS	20000

/* One at a time, hosts by turns; who leaves before its turn has none, and keeps nobody up. */
static void
test_turns(void)
{
	struct csd_kept *kept = csd_kept_create(1000);
	struct csd_turn many[4], one;
	uint32_t i;

	expect("made", kept != NULL && kept->length == 1000);
	for (i = 0; i < 1000; i++) {
		expect("empty", kept->bytes[i] == 0);
	}
	for (i = 0; i < 4; i++) {
		expect("join", csd_kept_join(kept, &many[i], "many") == 0);
	}
	expect("join", csd_kept_join(kept, &one, "one") == 0);
	expect("the first has it", csd_kept_has(kept, &many[0]));
	for (i = 1; i < 4; i++) {
		expect("the others wait", !csd_kept_has(kept, &many[i]));
	}
	csd_kept_leave(kept, &many[2]);
	expect("it still has it", csd_kept_has(kept, &many[0]));
	csd_kept_leave(kept, &many[0]);
	expect("its next one", csd_kept_has(kept, &many[1]));
	csd_kept_leave(kept, &many[1]);
	expect("the other host, though it came last", csd_kept_has(kept, &one) && !csd_kept_has(kept, &many[3]));
	csd_kept_leave(kept, &one);
	expect("the last", csd_kept_has(kept, &many[3]));
	csd_kept_leave(kept, &many[3]);
	expect("nobody", !csd_kept_has(kept, &many[3]) && kept->holder == NULL);
	expect("join again", csd_kept_join(kept, &one, "one") == 0 && csd_kept_has(kept, &one));
	csd_kept_leave(kept, &one);
	expect("no host is left", TAILQ_EMPTY(&kept->turns.hosts));
	csd_kept_free(kept);
	csd_kept_free(NULL);
}

static void *
count(void *ctx)
{
	struct csd_kept *kept = ctx;
	struct csd_turn turn;

	for (uint32_t i = 0; i < RUNS; i++) {
		if (csd_kept_join(kept, &turn, "host") != 0) {
			return ctx;
		}
		while (!csd_kept_has(kept, &turn)) {
			sched_yield();
		}
		/* As a run does: a copy, and back. */
		*(volatile uint64_t *)kept->bytes = *(volatile uint64_t *)kept->bytes + 1;
		csd_kept_leave(kept, &turn);
	}
	return NULL;
}

/* Of several threads nothing is lost. */
static void
test_threads(void)
{
	struct csd_kept *kept = csd_kept_create(8);
	pthread_t threads[THREADS];
	void *failed;

	expect("made", kept != NULL);
	for (uint32_t i = 0; i < THREADS; i++) {
		expect("a thread", pthread_create(&threads[i], NULL, count, kept) == 0);
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		expect("it ended", pthread_join(threads[i], &failed) == 0 && failed == NULL);
	}
	expect("all were counted", *(uint64_t *)kept->bytes == (uint64_t)THREADS * RUNS);
	csd_kept_free(kept);
}

int
main(void)
{
	test_turns();
	test_threads();
	printf("csd_kept: %u checks\n", g_checks);
	return 0;
}
