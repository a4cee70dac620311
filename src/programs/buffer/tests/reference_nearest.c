/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <stdlib.h>
#include <string.h>

#include "reference.h"

static int
nearest_compare(const void *a, const void *b)
{
	const struct csd_neighbour *x = a, *y = b;

	if (x->distance != y->distance) {
		return x->distance < y->distance ? -1 : 1;
	}
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool
nearest_wrong(const struct csd_nearest *given)
{
	uint64_t width = given->type == CSD_S8 ? 1 : 2;

	if ((given->type != CSD_S8 && given->type != CSD_S16) || given->features == 0 || given->features > 255 || given->k == 0 ||
	    given->k > 64 || given->reserved != 0 || given->stride_bytes > CSD_MOST_STRIDE ||
	    given->offset + given->features * width > given->stride_bytes) {
		return true;
	}
	for (int i = 0; width == 1 && i < given->features; i++) {
		if (given->point[i] != (int8_t)given->point[i]) {
			return true;
		}
	}
	return false;
}

/* All distances, sorted. */
void
reference_nearest(const struct job *job, struct result *wanted)
{
	struct csd_nearest_state *state = (struct csd_nearest_state *)wanted->state;
	struct csd_neighbour *all;
	struct csd_nearest given;

	if (job->data_bytes < sizeof(given)) {
		state->error = CSD_PROGRAM_DATA_SHORT;
		return;
	}
	memcpy(&given, job->data, sizeof(given));
	if (nearest_wrong(&given)) {
		state->error = CSD_PROGRAM_DATA_VALUE;
		return;
	}
	state->records = job->bytes / given.stride_bytes;
	state->rest_bytes = job->bytes % given.stride_bytes;
	state->found = state->records < given.k ? state->records : given.k;
	all = calloc(state->records + 1, sizeof(*all));
	for (uint64_t i = 0; i < state->records; i++) {
		const uint8_t *features = job->input + i * given.stride_bytes + given.offset;

		all[i].offset = i * given.stride_bytes;
		for (uint32_t f = 0; f < given.features; f++) {
			int64_t apart = (int64_t)reference_number(features + (f << (given.type & 3)), given.type) - given.point[f];

			all[i].distance += apart * apart;
		}
	}
	qsort(all, state->records, sizeof(*all), nearest_compare);
	memcpy(state->neighbours, all, state->found * sizeof(*all));
	free(all);
}
