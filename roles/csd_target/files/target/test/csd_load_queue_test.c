/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_load_queue.h"

#include <stdio.h>
#include <stdlib.h>

#define MANY	20

static unsigned g_checks;

static void
expect(const char *what, bool true_that)
{
	g_checks++;
	if (!true_that) {
		fprintf(stderr, "%s\n", what);
		exit(1);
	}
}

static void
add(struct csd_load_queue *queue, struct csd_load_item *item, const char *host, enum csd_load_line line)
{
	expect("there is memory", csd_load_queue_add(queue, item, host, line) == 0);
}

/* One host's many programs cost another one a single turn; of each there is one under way at a time. */
static void
hosts_by_turns(enum csd_load_line line)
{
	struct csd_load_queue queue;
	struct csd_load_item many[MANY], one[2];

	csd_load_queue_init(&queue);
	expect("nothing", csd_load_queue_next(&queue, line) == NULL);
	for (int i = 0; i < MANY; i++) {
		add(&queue, &many[i], "many", line);
	}
	expect("the first", csd_load_queue_next(&queue, line) == &many[0]);
	expect("its second waits for the first, though a thread is free", csd_load_queue_next(&queue, line) == NULL);
	add(&queue, &one[0], "one", line);
	add(&queue, &one[1], "one", line);
	expect("the other host", csd_load_queue_next(&queue, line) == &one[0]);
	expect("both are busy", csd_load_queue_next(&queue, line) == NULL);
	csd_load_queue_done(&queue, &many[0]);
	csd_load_queue_done(&queue, &one[0]);
	expect("in the order in which they ended", csd_load_queue_next(&queue, line) == &many[1]);
	csd_load_queue_done(&queue, &many[1]);
	expect("the other host, for the many had their turn", csd_load_queue_next(&queue, line) == &one[1]);
	for (int i = 2; i < MANY; i++) {
		expect("the many in order", csd_load_queue_next(&queue, line) == &many[i]);
		csd_load_queue_done(&queue, &many[i]);
	}
	csd_load_queue_done(&queue, &one[1]);
	expect("no host is left", TAILQ_EMPTY(&queue.hosts) && TAILQ_EMPTY(&queue.ready[line]));
}

/* What is verified in this process waits for no compiler, not even of its own host. */
static void
two_lines(void)
{
	struct csd_load_queue queue;
	struct csd_load_item compiled[2], verified[2];

	csd_load_queue_init(&queue);
	for (int i = 0; i < 2; i++) {
		add(&queue, &compiled[i], "host", CSD_LOAD_COMPILE);
		add(&queue, &verified[i], "host", CSD_LOAD_VERIFY);
	}
	expect("a compile", csd_load_queue_next(&queue, CSD_LOAD_COMPILE) == &compiled[0]);
	for (int i = 0; i < 2; i++) {
		expect("beside it", csd_load_queue_next(&queue, CSD_LOAD_VERIFY) == &verified[i]);
		csd_load_queue_done(&queue, &verified[i]);
	}
	expect("nothing to verify", csd_load_queue_next(&queue, CSD_LOAD_VERIFY) == NULL);
	csd_load_queue_done(&queue, &compiled[0]);
	expect("the second", csd_load_queue_next(&queue, CSD_LOAD_COMPILE) == &compiled[1]);
	csd_load_queue_done(&queue, &compiled[1]);
	expect("no host is left", TAILQ_EMPTY(&queue.hosts));
}

/* A host that left and came again does not get round its one at a time: what is under way is still its own. */
static void
who_leaves(void)
{
	struct csd_load_queue queue;
	struct csd_load_item left[3], again, other;

	csd_load_queue_init(&queue);
	for (int i = 0; i < 3; i++) {
		add(&queue, &left[i], "leaves", CSD_LOAD_COMPILE);
	}
	add(&queue, &other, "other", CSD_LOAD_COMPILE);
	expect("the first", csd_load_queue_next(&queue, CSD_LOAD_COMPILE) == &left[0]);
	expect("what is under way is not dropped", !csd_load_queue_drop(&queue, &left[0]));
	expect("what waits is", csd_load_queue_drop(&queue, &left[2]) && csd_load_queue_drop(&queue, &left[1]));
	expect("once", !csd_load_queue_drop(&queue, &left[1]));
	add(&queue, &again, "leaves", CSD_LOAD_COMPILE);
	expect("the other", csd_load_queue_next(&queue, CSD_LOAD_COMPILE) == &other);
	expect("it waits for what it left behind", csd_load_queue_next(&queue, CSD_LOAD_COMPILE) == NULL);
	csd_load_queue_done(&queue, &left[0]);
	expect("now", csd_load_queue_next(&queue, CSD_LOAD_COMPILE) == &again);
	csd_load_queue_done(&queue, &again);
	csd_load_queue_done(&queue, &other);
	/* Without one under way the last that is dropped takes the host's turn along. */
	add(&queue, &left[0], "leaves", CSD_LOAD_COMPILE);
	add(&queue, &left[1], "leaves", CSD_LOAD_COMPILE);
	expect("both", csd_load_queue_drop(&queue, &left[0]) && csd_load_queue_drop(&queue, &left[1]));
	expect("nothing is left", csd_load_queue_next(&queue, CSD_LOAD_COMPILE) == NULL && TAILQ_EMPTY(&queue.hosts));
}

int
main(void)
{
	hosts_by_turns(CSD_LOAD_VERIFY);
	hosts_by_turns(CSD_LOAD_COMPILE);
	two_lines();
	who_leaves();
	printf("csd_load_queue: %u checks\n", g_checks);
	return 0;
}
