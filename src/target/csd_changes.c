/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_changes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct seen {
	SLIST_ENTRY(seen) link;
	char *subnqn;
	uint8_t lid;
	uint64_t changes;
	void *page;
	size_t length;
};

static pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER;
static SLIST_HEAD(, seen) g_seen = SLIST_HEAD_INITIALIZER(g_seen);

static struct seen *
csd_changes_find(const char *subnqn, uint8_t lid)
{
	struct seen *seen;

	SLIST_FOREACH(seen, &g_seen, link) {
		if (seen->lid == lid && strcmp(seen->subnqn, subnqn) == 0) {
			return seen;
		}
	}
	seen = calloc(1, sizeof(*seen));
	if (seen == NULL || (seen->subnqn = strdup(subnqn)) == NULL) {
		free(seen);
		return NULL;
	}
	seen->lid = lid;
	SLIST_INSERT_HEAD(&g_seen, seen, link);
	return seen;
}

static uint64_t
csd_changes_count_locked(const char *subnqn, uint8_t lid, const void *page, size_t length)
{
	struct seen *seen = csd_changes_find(subnqn, lid);
	void *copy;

	if (seen == NULL) {
		return 0;
	}
	if (seen->page != NULL && seen->length == length && memcmp(seen->page, page, length) == 0) {
		return seen->changes;
	}
	copy = malloc(length);
	if (copy == NULL) {
		return seen->changes;
	}
	memcpy(copy, page, length);
	seen->changes += seen->page != NULL;
	free(seen->page);
	seen->page = copy;
	seen->length = length;
	return seen->changes;
}

uint64_t
csd_changes_count(const char *subnqn, uint8_t lid, const void *page, size_t length)
{
	uint64_t changes;

	pthread_mutex_lock(&g_mutex);
	changes = csd_changes_count_locked(subnqn, lid, page, length);
	pthread_mutex_unlock(&g_mutex);
	return changes;
}
