/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "reference.h"

void
reference_rle_decode(const struct job *job, struct result *wanted)
{
	struct csd_rle_state *state = (struct csd_rle_state *)wanted->state;
	uint64_t at = 0;

	while (at < job->bytes) {
		int n = (int8_t)job->input[at];

		if (n >= 0) {
			if (at + 1 + n + 1 > job->bytes) {
				break;
			}
			result_append(wanted, job->input + at + 1, n + 1);
			at += n + 2;
		} else if (n != -128) {
			if (at + 1 == job->bytes) {
				break;
			}
			for (int i = 0; i < 1 - n; i++) {
				result_append(wanted, job->input + at + 1, 1);
			}
			at += 2;
		} else {
			state->empty++;
			at++;
		}
		state->runs++;
	}
	state->decoded_bytes = wanted->emitted;
	state->rest_bytes = job->bytes - at;
}
