/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "reference.h"

struct strings {
	struct csd_grep given;
	const uint8_t *at[CSD_GREP_STRINGS];
	uint16_t bytes[CSD_GREP_STRINGS];
};

static uint64_t
grep_strings(const struct job *job, struct strings *strings)
{
	uint64_t at = sizeof(strings->given);

	if (job->data_bytes < at) {
		return CSD_PROGRAM_DATA_SHORT;
	}
	memcpy(&strings->given, job->data, at);
	if (strings->given.strings == 0 || strings->given.strings > CSD_GREP_STRINGS || (strings->given.flags & ~0xfu) != 0) {
		return CSD_PROGRAM_DATA_VALUE;
	}
	for (uint32_t i = 0; i < strings->given.strings; i++) {
		if (job->data_bytes < at + 2) {
			return CSD_PROGRAM_DATA_SHORT;
		}
		memcpy(&strings->bytes[i], (const uint8_t *)job->data + at, 2);
		strings->at[i] = (const uint8_t *)job->data + at + 2;
		at += 2 + strings->bytes[i];
		if (job->data_bytes < at) {
			return CSD_PROGRAM_DATA_SHORT;
		}
		if (strings->bytes[i] == 0 || strings->bytes[i] > 255 || memchr(strings->at[i], '\n', strings->bytes[i]) != NULL) {
			return CSD_PROGRAM_DATA_VALUE;
		}
	}
	return 0;
}

static bool
grep_same(const uint8_t *a, const uint8_t *b, uint64_t bytes, bool ignore_case)
{
	for (uint64_t i = 0; i < bytes; i++) {
		if (a[i] != b[i] && !(ignore_case && isascii(a[i]) && isascii(b[i]) && tolower(a[i]) == tolower(b[i]))) {
			return false;
		}
	}
	return true;
}

static bool
grep_has(const struct strings *strings, const uint8_t *line, uint64_t bytes)
{
	for (uint32_t i = 0; i < strings->given.strings; i++) {
		for (uint64_t at = 0; at + strings->bytes[i] <= bytes; at++) {
			if (grep_same(line + at, strings->at[i], strings->bytes[i], strings->given.flags & CSD_GREP_IGNORE_CASE)) {
				return true;
			}
		}
	}
	return false;
}

void
reference_grep(const struct job *job, struct result *wanted)
{
	struct csd_grep_state *state = (struct csd_grep_state *)wanted->state;
	struct strings strings;
	uint64_t at = 0;

	state->error = grep_strings(job, &strings);
	while (state->error == 0 && at < job->bytes && (job->cparam1 == 0 || state->selected < job->cparam1)) {
		uint64_t bytes = reference_line(job, at);
		const uint8_t *line = job->input + at;

		at += bytes;
		state->lines++;
		if (bytes > 65536) {
			state->too_long++;
			continue;
		}
		if (grep_has(&strings, line, bytes) == ((strings.given.flags & CSD_GREP_INVERT) != 0)) {
			continue;
		}
		state->selected++;
		if (strings.given.flags & CSD_GREP_NUMBERS && !(strings.given.flags & CSD_GREP_COUNT)) {
			char number[24];

			result_append(wanted, number, snprintf(number, sizeof(number), "%llu:", state->lines));
		}
		if (!(strings.given.flags & CSD_GREP_COUNT)) {
			result_append(wanted, line, bytes);
		}
	}
}
