/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * A thread for what a reactor must not do itself, such as to make memory or to start a process: tasks, one after the
 * other. Whoever gave one looks whether it is done; nobody waits.
 */
#ifndef CSD_BACKGROUND_H
#define CSD_BACKGROUND_H

#include <stdbool.h>

struct csd_background;

enum csd_background_state {
	CSD_BACKGROUND_HELD,		/* by whoever made it */
	CSD_BACKGROUND_SUBMITTED,
	CSD_BACKGROUND_DONE,		/* and held again */
};

/* All zeros but for its functions, which the thread calls. */
struct csd_background_task {
	void (*work)(struct csd_background_task *task);
	void (*drop)(struct csd_background_task *task);	/* frees it, with what came of it */

	/* csd_background.c's: */
	enum csd_background_state state;
	bool dropped;
	struct csd_background_task *next;
};

/* `begin` is the first that the thread does; NULL: nothing. NULL: no thread, or no memory. */
struct csd_background *csd_background_create(void (*begin)(void));
/* Does what it was asked, and ends. */
void csd_background_destroy(struct csd_background *background);

/* Do this. Nobody touches it until it is done, but to drop it. */
void csd_background_submit(struct csd_background *background, struct csd_background_task *task);
bool csd_background_is_done(const struct csd_background_task *task);
/* Nobody wants it any more, whatever its state: nobody touches it after this. */
void csd_background_drop(struct csd_background *background, struct csd_background_task *task);

#endif
