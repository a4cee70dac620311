/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <string.h>

#include "reference.h"

void
reference_count_range(const struct job *job, struct result *wanted)
{
	struct csd_count_range given = {.stride_bytes = 8, .type = CSD_S64};
	struct csd_count_range_state *state = (struct csd_count_range_state *)wanted->state;
	__int128 least, greatest;

	if (job->data_bytes > 0 && job->data_bytes < sizeof(given)) {
		state->error = CSD_PROGRAM_DATA_SHORT;
		return;
	}
	if (job->data_bytes > 0) {
		memcpy(&given, job->data, sizeof(given));
	}
	if (given.stride_bytes == 0 || given.stride_bytes > CSD_MOST_STRIDE || given.type > CSD_S64 || given.reserved != 0 ||
	    (uint64_t)given.offset + (1 << (given.type & 3)) > given.stride_bytes) {
		state->error = CSD_PROGRAM_DATA_VALUE;
		return;
	}
	least = given.type >= CSD_S8 ? (__int128)(int64_t)job->cparam1 : (__int128)job->cparam1;
	greatest = given.type >= CSD_S8 ? (__int128)(int64_t)job->cparam2 : (__int128)job->cparam2;
	for (uint64_t at = 0; job->bytes - at >= given.stride_bytes; at += given.stride_bytes) {
		__int128 number = reference_number(job->input + at + given.offset, given.type);

		state->records++;
		state->in_range += number >= least && number <= greatest;
	}
	state->rest_bytes = job->bytes % given.stride_bytes;
}
