/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The target's end of its spawner: start it, send it orders, hear what became of them. Nothing but opening it waits. */
#ifndef CSD_SPAWNER_LINK_H
#define CSD_SPAWNER_LINK_H

#include <stdbool.h>
#include <sys/types.h>

#include "csd_spawner.h"

struct csd_spawner_link {
	int socket;		/* -1: not open */
	pid_t pid;
};

struct csd_spawner_paths {
	const char *spawner;
	const char *worker;
	const char *user;	/* UID as text; NULL: the target's own */
};

/*
 * Starts a spawner. 0 or -errno, with nothing left. Takes about a millisecond: not on a reactor. Whoever has more than
 * one thread may call it: it does not fork, and passes no descriptor on but the socket and stderr.
 */
int csd_spawner_link_open(struct csd_spawner_link *link, const struct csd_spawner_paths *paths);

/* 0, -EAGAIN (the spawner is behind: later), -EPIPE (it is gone) or -errno. */
int csd_spawner_link_send(const struct csd_spawner_link *link, const struct csd_spawner_request *request,
			  const int *descriptors, uint32_t count);

/* 1: an answer. 0: none now. -EPIPE: the spawner is gone. */
int csd_spawner_link_receive(const struct csd_spawner_link *link, struct csd_spawner_answer *answer);

/* Lets go of the socket, so that the spawner ends all of its children and then itself. False: call again, it still does. */
bool csd_spawner_link_close(struct csd_spawner_link *link);

#endif
