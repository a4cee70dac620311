/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_kept.h"

#include <stdlib.h>

struct csd_kept *
csd_kept_create(uint64_t length)
{
	struct csd_kept *kept = calloc(1, sizeof(*kept));

	if (kept == NULL) {
		return NULL;
	}
	kept->bytes = calloc(1, length);
	kept->length = length;
	if (kept->bytes == NULL) {
		free(kept);
		return NULL;
	}
	pthread_mutex_init(&kept->mutex, NULL);
	csd_turns_init(&kept->turns);
	return kept;
}

void
csd_kept_free(struct csd_kept *kept)
{
	if (kept != NULL) {
		pthread_mutex_destroy(&kept->mutex);
		free(kept->bytes);
		free(kept);
	}
}

int
csd_kept_join(struct csd_kept *kept, struct csd_turn *turn, const char *host_nqn)
{
	int rc;

	pthread_mutex_lock(&kept->mutex);
	rc = csd_turns_join(&kept->turns, turn, host_nqn);
	if (rc == 0) {
		csd_turns_ask(&kept->turns, turn);
		if (kept->holder == NULL) {
			kept->holder = csd_turns_next(&kept->turns);
		}
	}
	pthread_mutex_unlock(&kept->mutex);
	return rc;
}

bool
csd_kept_has(struct csd_kept *kept, const struct csd_turn *turn)
{
	bool has;

	pthread_mutex_lock(&kept->mutex);
	has = kept->holder == turn;
	pthread_mutex_unlock(&kept->mutex);
	return has;
}

void
csd_kept_leave(struct csd_kept *kept, struct csd_turn *turn)
{
	pthread_mutex_lock(&kept->mutex);
	csd_turns_leave(&kept->turns, turn);
	if (kept->holder == turn) {
		kept->holder = csd_turns_next(&kept->turns);
	}
	pthread_mutex_unlock(&kept->mutex);
}
