/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_turns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct csd_turns_host {
	TAILQ_ENTRY(csd_turns_host) link;
	TAILQ_ENTRY(csd_turns_host) asking;
	TAILQ_HEAD(, csd_turn) asked;
	uint32_t members;
	char nqn[];
};

void
csd_turns_init(struct csd_turns *turns)
{
	TAILQ_INIT(&turns->hosts);
	TAILQ_INIT(&turns->asking);
}

static struct csd_turns_host *
csd_turns_find(struct csd_turns *turns, const char *nqn)
{
	struct csd_turns_host *host;
	size_t bytes = strlen(nqn) + 1;

	TAILQ_FOREACH(host, &turns->hosts, link) {
		if (strcmp(host->nqn, nqn) == 0) {
			return host;
		}
	}
	host = calloc(1, sizeof(*host) + bytes);
	if (host != NULL) {
		memcpy(host->nqn, nqn, bytes);
		TAILQ_INIT(&host->asked);
		TAILQ_INSERT_TAIL(&turns->hosts, host, link);
	}
	return host;
}

int
csd_turns_join(struct csd_turns *turns, struct csd_turn *turn, const char *host_nqn)
{
	turn->asked = false;
	turn->host = csd_turns_find(turns, host_nqn);
	if (turn->host == NULL) {
		return -ENOMEM;
	}
	turn->host->members++;
	return 0;
}

static void
csd_turns_take(struct csd_turns *turns, struct csd_turn *turn)
{
	struct csd_turns_host *host = turn->host;

	TAILQ_REMOVE(&host->asked, turn, link);
	turn->asked = false;
	if (TAILQ_EMPTY(&host->asked)) {
		TAILQ_REMOVE(&turns->asking, host, asking);
	}
}

void
csd_turns_leave(struct csd_turns *turns, struct csd_turn *turn)
{
	struct csd_turns_host *host = turn->host;

	if (turn->asked) {
		csd_turns_take(turns, turn);
	}
	turn->host = NULL;
	if (--host->members == 0) {
		TAILQ_REMOVE(&turns->hosts, host, link);
		free(host);
	}
}

void
csd_turns_ask(struct csd_turns *turns, struct csd_turn *turn)
{
	struct csd_turns_host *host = turn->host;

	if (turn->asked) {
		return;
	}
	turn->asked = true;
	if (TAILQ_EMPTY(&host->asked)) {
		TAILQ_INSERT_TAIL(&turns->asking, host, asking);
	}
	TAILQ_INSERT_TAIL(&host->asked, turn, link);
}

struct csd_turn *
csd_turns_next(struct csd_turns *turns)
{
	struct csd_turns_host *host = TAILQ_FIRST(&turns->asking);
	struct csd_turn *turn;

	if (host == NULL) {
		return NULL;
	}
	turn = TAILQ_FIRST(&host->asked);
	csd_turns_take(turns, turn);
	if (!TAILQ_EMPTY(&host->asked)) {
		/* Behind the others that ask. */
		TAILQ_REMOVE(&turns->asking, host, asking);
		TAILQ_INSERT_TAIL(&turns->asking, host, asking);
	}
	return turn;
}
