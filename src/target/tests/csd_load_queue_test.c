/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_load_queue.h"

#include <stdio.h>
#include <stdlib.h>

#include "expect.h"

#define MANY	20

static void
add(struct csd_load_queue *queue, struct csd_load_item *item, const char *host)
{
	expect("there is memory", csd_load_queue_add(queue, item, host) == 0);
}

/* One host's many programs cost another one a single turn; of each there is one under way at a time. */
static void
hosts_by_turns(void)
{
	struct csd_load_queue queue;
	struct csd_load_item many[MANY], one[2];

	csd_load_queue_init(&queue);
	expect("nothing", csd_load_queue_next(&queue) == NULL);
	for (int i = 0; i < MANY; i++) {
		add(&queue, &many[i], "many");
	}
	expect("the first", csd_load_queue_next(&queue) == &many[0]);
	expect("its second waits for the first, though a thread is free", csd_load_queue_next(&queue) == NULL);
	add(&queue, &one[0], "one");
	add(&queue, &one[1], "one");
	expect("the other host", csd_load_queue_next(&queue) == &one[0]);
	expect("both are busy", csd_load_queue_next(&queue) == NULL);
	csd_load_queue_done(&queue, &many[0]);
	csd_load_queue_done(&queue, &one[0]);
	expect("in the order in which they ended", csd_load_queue_next(&queue) == &many[1]);
	csd_load_queue_done(&queue, &many[1]);
	expect("the other host, for the many had their turn", csd_load_queue_next(&queue) == &one[1]);
	for (int i = 2; i < MANY; i++) {
		expect("the many in order", csd_load_queue_next(&queue) == &many[i]);
		csd_load_queue_done(&queue, &many[i]);
	}
	csd_load_queue_done(&queue, &one[1]);
	expect("no host is left", TAILQ_EMPTY(&queue.hosts) && TAILQ_EMPTY(&queue.ready));
}

/* A host that left and came again does not get round its one at a time: what is under way is still its own. */
static void
who_leaves(void)
{
	struct csd_load_queue queue;
	struct csd_load_item left[3], again, other;

	csd_load_queue_init(&queue);
	for (int i = 0; i < 3; i++) {
		add(&queue, &left[i], "leaves");
	}
	add(&queue, &other, "other");
	expect("the first", csd_load_queue_next(&queue) == &left[0]);
	expect("what is under way is not dropped", !csd_load_queue_drop(&queue, &left[0]));
	expect("what waits is", csd_load_queue_drop(&queue, &left[2]) && csd_load_queue_drop(&queue, &left[1]));
	expect("once", !csd_load_queue_drop(&queue, &left[1]));
	add(&queue, &again, "leaves");
	expect("the other", csd_load_queue_next(&queue) == &other);
	expect("it waits for what it left behind", csd_load_queue_next(&queue) == NULL);
	csd_load_queue_done(&queue, &left[0]);
	expect("now", csd_load_queue_next(&queue) == &again);
	csd_load_queue_done(&queue, &again);
	csd_load_queue_done(&queue, &other);
	/* Without one under way the last that is dropped takes the host's turn along. */
	add(&queue, &left[0], "leaves");
	add(&queue, &left[1], "leaves");
	expect("both", csd_load_queue_drop(&queue, &left[0]) && csd_load_queue_drop(&queue, &left[1]));
	expect("nothing is left", csd_load_queue_next(&queue) == NULL && TAILQ_EMPTY(&queue.hosts));
}

int
main(void)
{
	hosts_by_turns();
	who_leaves();
	printf("csd_load_queue: %u checks\n", g_checks);
	return 0;
}
