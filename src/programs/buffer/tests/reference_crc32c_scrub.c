/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <string.h>

#include "reference.h"

/* Bit by bit: RFC 3720, section 12.1, and appendix B.4 for what comes out. */
static uint32_t
crc32c_scrub_sum(const uint8_t *at, uint64_t bytes)
{
	uint32_t rest = 0xffffffff;

	while (bytes-- > 0) {
		rest ^= *at++;
		for (int bit = 0; bit < 8; bit++) {
			rest = (rest >> 1) ^ ((rest & 1) * 0x82f63b78);
		}
	}
	return ~rest;
}

void
reference_crc32c_scrub(const struct job *job, struct result *wanted)
{
	struct csd_crc32c_state *state = (struct csd_crc32c_state *)wanted->state;
	uint64_t block = job->cparam1 != 0 ? job->cparam1 : 4096;

	if (block < 4 || block > CSD_CRC32C_MOST_BLOCK || job->cparam2 > 2) {
		state->error = CSD_PROGRAM_DATA_VALUE;
		return;
	}
	if (job->cparam2 == CSD_CRC32C_RANGE && job->range == NULL) {
		state->error = CSD_PROGRAM_RANGE;
		return;
	}
	for (uint64_t at = 0; at < job->bytes; at += block) {
		uint64_t bytes = job->bytes - at < block ? job->bytes - at : block, number = state->blocks++;
		uint32_t value = crc32c_scrub_sum(job->input + at, bytes), known = 0;
		bool bad = false;

		if (job->cparam2 == CSD_CRC32C_GIVE) {
			result_append(wanted, &value, 4);
			continue;
		}
		if (job->cparam2 == CSD_CRC32C_BEHIND) {
			if (bytes >= 4) {
				memcpy(&known, job->input + at + bytes - 4, 4);
			}
			bad = bytes < 4 || known != crc32c_scrub_sum(job->input + at, bytes - 4);
		} else if ((number + 1) * 4 > job->range_bytes) {
			state->unchecked++;
		} else {
			memcpy(&known, job->range + number * 4, 4);
			bad = known != value;
		}
		if (bad) {
			state->bad++;
			result_append(wanted, &at, 8);
		}
	}
}
