/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Whose turn it is on a thread: hosts by turns, and the work of one host by turns. So a host with a thousand long
 * commands gets as much of the thread as one with a single command. Plain: knows nothing of SPDK.
 */
#ifndef CSD_TURNS_H
#define CSD_TURNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct csd_turns_host;

/* A member of what has turns. */
struct csd_turn {
	struct csd_turns_host *host;	/* the same for all of one host on this thread */
	bool asked;
	TAILQ_ENTRY(csd_turn) link;	/* of those that asked */
};

TAILQ_HEAD(csd_turns_hosts, csd_turns_host);

struct csd_turns {
	struct csd_turns_hosts hosts;	/* with members */
	struct csd_turns_hosts asking;	/* with members that asked */
};

void csd_turns_init(struct csd_turns *turns);

/* 0 or -ENOMEM. The host is known by its NQN. */
int csd_turns_join(struct csd_turns *turns, struct csd_turn *turn, const char *host_nqn);
void csd_turns_leave(struct csd_turns *turns, struct csd_turn *turn);

/* It wants one turn. Asking twice is asking once. */
void csd_turns_ask(struct csd_turns *turns, struct csd_turn *turn);

/* Whose turn it is; it has that one, and may ask again. NULL: nobody asked. */
struct csd_turn *csd_turns_next(struct csd_turns *turns);

#endif
