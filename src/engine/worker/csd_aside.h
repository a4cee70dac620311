/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * A thread for what a reactor must not do itself, such as to make memory or to start a process: orders, one after the
 * other. Whoever gave one looks whether it is done; nobody waits.
 */
#ifndef CSD_ASIDE_H
#define CSD_ASIDE_H

#include <stdbool.h>

struct csd_aside;

enum csd_aside_state {
	CSD_ASIDE_HELD,		/* by whoever made it */
	CSD_ASIDE_ASKED,
	CSD_ASIDE_DONE,		/* and held again */
};

/* All zeros but for its functions, which the thread calls. */
struct csd_aside_order {
	void (*work)(struct csd_aside_order *order);
	void (*drop)(struct csd_aside_order *order);	/* frees it, with what came of it */

	/* csd_aside.c's: */
	enum csd_aside_state state;
	bool dropped;
	struct csd_aside_order *next;
};

/* `begin` is the first that the thread does; NULL: nothing. NULL: no thread, or no memory. */
struct csd_aside *csd_aside_create(void (*begin)(void));
/* Does what it was asked, and ends. */
void csd_aside_destroy(struct csd_aside *aside);

/* Do this. Nobody touches it until it is done, but to drop it. */
void csd_aside_ask(struct csd_aside *aside, struct csd_aside_order *order);
bool csd_aside_is_done(const struct csd_aside_order *order);
/* Nobody wants it any more, whatever its state: nobody touches it after this. */
void csd_aside_drop(struct csd_aside *aside, struct csd_aside_order *order);

#endif
