/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Long commands in slices: one poller a thread gives one slice in each round of the reactor, whatever the number of
 * namespaces and of commands, so that everybody else on the thread waits for one slice at most. Turns: csd_turns.h.
 */
#ifndef CSD_WORK_H
#define CSD_WORK_H

#include "spdk/stdinc.h"
#include "spdk/thread.h"

#include "csd_turns.h"

struct csd_work {
	struct csd_turn turn;
	struct csd_work_thread *thread;
	void (*slice)(struct csd_work *work);
};

/* Of the process; between them csd_work_hold(). */
void csd_work_init(void);
void csd_work_fini(void);

/* This thread's poller, for as long as the channel is not put; NULL: no memory. */
struct spdk_io_channel *csd_work_hold(void);

/*
 * 0 or -ENOMEM. `slice` is called once for each csd_work_ready(), on this thread, never from within it; it does a slice's
 * work and says ready again, or waits for something, or ends the work.
 */
int csd_work_begin(struct csd_work *work, struct spdk_io_channel *held, const char *host_nqn,
		   void (*slice)(struct csd_work *work));
void csd_work_ready(struct csd_work *work);
void csd_work_end(struct csd_work *work);

#endif
