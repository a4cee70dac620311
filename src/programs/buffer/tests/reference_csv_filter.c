/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <stdlib.h>

#include "reference_filter.h"

/* One record of the input: its fields, decoded, one behind the other. */
struct record {
	uint64_t bytes;			/* of the input */
	bool complete, malformed;
	uint8_t text[CSD_LINE_BYTES];
	struct text fields[CSD_LINE_BYTES + 1];
	uint64_t count;
};

enum place { AT_FIELD, IN_PLAIN, IN_QUOTES, BEHIND_QUOTE };

static void
csv_end_field(struct record *record, const uint8_t *end)
{
	struct text *field = &record->fields[record->count++];

	field->bytes = end - field->at;
	record->fields[record->count].at = end;
}

/* A byte at a time, as RFC 4180's grammar goes. Looks at no more than CSD_LINE_BYTES. */
static void
csv_read(const struct job *job, uint64_t begin, uint8_t delimiter, struct record *record)
{
	uint64_t limit = job->bytes - begin < CSD_LINE_BYTES ? job->bytes : begin + CSD_LINE_BYTES, at = begin;
	enum place place = AT_FIELD;
	uint8_t *to = record->text;
	bool quoted = false;

	record->malformed = record->complete = false;
	record->count = 0;
	record->fields[0].at = to;
	if (begin == 0 && limit >= 3 && memcmp(job->input, "\xef\xbb\xbf", 3) == 0) {
		at += 3;
	}
	for (; at < limit; at++) {
		uint8_t c = job->input[at];
		bool behind_is_end = at + 1 == job->bytes || (at + 1 < limit && job->input[at + 1] == '\n');

		if (place == IN_QUOTES) {
			if (c == '"') {
				place = BEHIND_QUOTE;
			} else {
				*to++ = c;
			}
		} else if (place == BEHIND_QUOTE && c == '"') {
			*to++ = c;
			place = IN_QUOTES;
		} else if (place == AT_FIELD && c == '"') {
			place = IN_QUOTES;
			quoted = true;
		} else if (c == delimiter) {
			csv_end_field(record, to);
			place = AT_FIELD;
			quoted = false;
		} else if (c == '\n') {
			at++;
			record->complete = true;
			break;
		} else if (c == '\r' && behind_is_end) {
			continue;
		} else {
			record->malformed |= quoted;
			*to++ = c;
			place = IN_PLAIN;
		}
	}
	record->bytes = at - begin;
	if (!record->complete && at == job->bytes) {
		record->complete = true;
		record->malformed |= place == IN_QUOTES;
	}
	csv_end_field(record, to);
}

static bool
csv_same(struct text a, struct text b)
{
	return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.at, b.at, a.bytes) == 0);
}

static struct text
csv_trim(struct text text)
{
	while (text.bytes > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) {
		text.at++;
		text.bytes--;
	}
	while (text.bytes > 0 && (text.at[text.bytes - 1] == ' ' || text.at[text.bytes - 1] == '\t')) {
		text.bytes--;
	}
	return text;
}

static enum verdict
csv_judge(const struct wish *wish, const struct record *record, uint64_t number)
{
	if (record->malformed) {
		return VERDICT_MALFORMED;
	}
	if (number >= record->count) {
		return VERDICT_MISSING;
	}
	return reference_compare(wish, wish->given.as == CSD_AS_NUMBER ? csv_trim(record->fields[number]) : record->fields[number]);
}

/* So many bytes of an empty line; 0: there is none. */
static uint64_t
csv_empty(const struct job *job, uint64_t at)
{
	if (job->input[at] == '\n') {
		return 1;
	}
	if (job->input[at] != '\r') {
		return 0;
	}
	return at + 1 == job->bytes ? 1 : job->input[at + 1] == '\n' ? 2 : 0;
}

void
reference_csv_filter(const struct job *job, struct result *wanted)
{
	static struct record record;
	struct csd_filter_state *state = (struct csd_filter_state *)wanted->state;
	struct wish wish;
	bool header;
	uint8_t delimiter;

	state->error = reference_wish(job, &wish);
	if (state->error == 0 && (wish.given.delimiter == '"' || wish.given.delimiter == '\n' || wish.given.delimiter == '\r' ||
				  (wish.name.bytes > 0 && !wish.given.flags))) {
		state->error = CSD_PROGRAM_DATA_VALUE;
	}
	if (state->error != 0) {
		return;
	}
	header = wish.given.flags != 0;
	delimiter = wish.given.delimiter != 0 ? wish.given.delimiter : ',';
	state->field = wish.name.bytes > 0 ? CSD_FILTER_NOWHERE : wish.given.field;
	for (uint64_t at = 0; at < job->bytes; at += record.bytes) {
		record.bytes = csv_empty(job, at);
		if (record.bytes > 0) {
			continue;
		}
		csv_read(job, at, delimiter, &record);
		if (!record.complete) {
			state->too_long++;
			record.bytes = CSD_LINE_BYTES + reference_line(job, at + CSD_LINE_BYTES);
		} else if (header) {
			for (uint64_t i = record.count; wish.name.bytes > 0 && !record.malformed && i-- > 0;) {
				state->field = csv_same(record.fields[i], wish.name) ? i : state->field;
			}
			state->malformed += record.malformed;
			result_append(wanted, job->input + at, record.bytes);
			header = false;
		} else {
			reference_count(state, csv_judge(&wish, &record, state->field), wanted, (struct text) {job->input + at, record.bytes});
		}
	}
}
