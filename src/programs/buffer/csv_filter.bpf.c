/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Records of CSV in which a field compares with an operand: struct csd_filter. */
#include "filter.h"

static __u64 begun;
static __u64 header_done;

/* A record, field by field. */
struct csv {
	const __u8 *at;			/* the next field */
	const __u8 *limit;
	__u8 delimiter;
	__u8 quoted;			/* the field: quotes in it are doubled */
	__u8 malformed;
	const __u8 *text, *text_end;	/* the field */
};

enum csv_end {
	CSV_FIELD,	/* another field follows */
	CSV_RECORD,	/* the record is complete */
	CSV_LIMIT,	/* it went on up to the limit */
};

/* --- fields --- */

/* Behind the quote that closes the field; NULL: there is none. */
static inline const __u8 *csv_quoted(struct csv *csv)
{
	const __u8 *at = csv->at + 1;

	csv->text = at;
	csv->quoted = 1;
	for (;;) {
		at = words_find(at, csv->limit, '"');
		csv->text_end = at;
		if (at == csv->limit)
			return 0;
		at++;
		if (at == csv->limit || *at != '"')
			return at;
		at++;
	}
}

static enum csv_end csv_field(struct csv *csv)
{
	const __u8 *at = csv->at, *end;

	csv->quoted = 0;
	csv->text = at;
	if (at < csv->limit && *at == '"') {
		at = csv_quoted(csv);
		if (at == 0) {
			csv->malformed = 1;
			csv->at = csv->limit;
			return CSV_LIMIT;
		}
	}
	end = words_find_either(at, csv->limit, csv->delimiter, '\n');
	if (csv->quoted)
		csv->malformed |= end != at && (end - at != 1 || *at != '\r' || (end < csv->limit && *end != '\n'));
	else
		csv->text_end = end;
	csv->at = end + (end < csv->limit);
	if (end < csv->limit && *end == csv->delimiter)
		return CSV_FIELD;
	if (!csv->quoted && csv->text_end > csv->text && csv->text_end[-1] == '\r')
		csv->text_end--;
	return end < csv->limit ? CSV_RECORD : CSV_LIMIT;
}

/* In a record without quotes: where the field with this number begins, counted from 0. NULL: the record ends before. */
static inline const __u8 *csv_skip(const __u8 *at, const __u8 *end, __u8 delimiter, __u64 number)
{
	__u64 delimiters = delimiter * WORDS_ONES;

	for (; number > 0 && end - at >= 8; at += 8) {
		__u64 other = CSD_LOAD_64(at) ^ delimiters, marks = WORDS_ALL_ZEROS(other), count = WORDS_COUNT(marks);

		if (count >= number) {
			for (; number > 1; number--)
				marks &= marks - 1;
			return at + WORDS_FIRST(marks) + 1;
		}
		number -= count;
	}
	for (; number > 0 && at < end; at++)
		number -= *at == delimiter;
	return number == 0 ? at : 0;
}

/* --- comparison --- */

/* Text with quotes that are doubled. */
static __attribute__((noinline)) long csv_compare_quoted(const __u8 *at, const __u8 *end, const __u8 *other, __u64 bytes)
{
	__u64 same = 0;

	for (; at < end; at++, same++) {
		if (same == bytes)
			return 1;
		if (*at != other[same])
			return *at < other[same] ? -1 : 1;
		at += *at == '"';
	}
	return same < bytes ? -1 : 0;
}

static long csv_compare(const __u8 *at, const __u8 *end, int quoted)
{
	if (filter.given->as == CSD_AS_TEXT)
		return quoted ? csv_compare_quoted(at, end, filter.operand, filter.given->operand_bytes) : filter_compare(at, end);
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (at < end && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return filter_compare(at, end);
}

/* --- records --- */

/* A record that has quotes. `ends`: with the limit the input ends, and so does the record. False: it is not all there. */
static __attribute__((noinline)) int csv_look_quoted(struct csv *csv, int ends, long *found)
{
	enum csv_end end;
	__u64 number = 0;

	*found = FILTER_MISSING;
	do {
		end = csv_field(csv);
		if (number++ == csd_state.field)
			*found = csv_compare(csv->text, csv->text_end, csv->quoted);
	} while (end == CSV_FIELD);
	if (csv->malformed)
		*found = FILTER_MALFORMED;
	return end == CSV_RECORD || ends;
}

/* One that has none, and no line feed: from `at` to `end`. */
static inline long csv_look_plain(const __u8 *at, const __u8 *end, __u8 delimiter)
{
	const __u8 *text_end;

	at = csv_skip(at, end, delimiter, csd_state.field);
	if (at == 0)
		return FILTER_MISSING;
	text_end = words_find(at, end, delimiter);
	if (text_end == end && end > at && end[-1] == '\r')
		text_end--;
	return csv_compare(at, text_end, 0);
}

/* The header: which field has the name. */
static int csv_look_header(struct csv *csv, int ends)
{
	__u64 number = 0, names = filter.given->name_bytes, found = CSD_FILTER_NOWHERE;
	enum csv_end end;

	do {
		end = csv_field(csv);
		if (found == CSD_FILTER_NOWHERE &&
		    (csv->quoted ? csv_compare_quoted(csv->text, csv->text_end, filter.name, names)
				 : filter_compare_text(csv->text, csv->text_end - csv->text, filter.name, names)) == 0)
			found = number;
		number++;
	} while (end == CSV_FIELD);
	if (end == CSV_LIMIT && !ends)
		return 0;
	if (names > 0)
		csd_state.field = csv->malformed ? CSD_FILTER_NOWHERE : found;
	return 1;
}

enum next { GO_ON, NEED_MORE, NO_ROOM };

/* The record at lines->at, which is no empty line. */
static inline enum next csv_record(struct lines *lines, const struct csd_context *context)
{
	__u64 left = lines->end - lines->at;
	int ends = lines->last && left <= CSD_LINE_BYTES;
	struct csv csv = {
		.at = lines->at, .limit = lines->at + (left < CSD_LINE_BYTES ? left : CSD_LINE_BYTES),
		.delimiter = filter.given->delimiter == 0 ? ',' : filter.given->delimiter,
	};
	const __u8 *end = words_find_either(lines->at, csv.limit, '\n', '"');
	long found;

	if (context->offset == 0 && lines->at == context->begin && left >= 3 && csv.at[0] == 0xef && csv.at[1] == 0xbb &&
	    csv.at[2] == 0xbf)
		csv.at += 3;
	if (filter.given->flags && !header_done) {
		__u64 malformed;

		if (!csv_look_header(&csv, ends))
			goto more;
		malformed = csv.malformed;
		if (csd_emit(lines->at, csv.at - lines->at) != 0)
			return NO_ROOM;
		csd_state.malformed += malformed;
		header_done = 1;
		lines->at = csv.at;
		return GO_ON;
	}
	if (end < csv.limit && *end == '"') {
		if (!csv_look_quoted(&csv, ends, &found))
			goto more;
		end = csv.at;
	} else {
		if (end == csv.limit && !ends)
			goto more;
		found = csv_look_plain(csv.at, end, csv.delimiter);
		end += end < lines->end && *end == '\n';
	}
	if (filter_take(found, lines->at, end) != 0)
		return NO_ROOM;
	lines->at = end;
	return GO_ON;
more:
	if (left <= CSD_LINE_BYTES)
		return NEED_MORE;
	lines_give_up(lines);
	return GO_ON;
}

/* Behind the empty lines at lines->at. False: there is nothing more, or a carriage return that may be one. */
static inline int csv_skip_empty(struct lines *lines)
{
	while (lines->at < lines->end) {
		const __u8 *at = lines->at + (*lines->at == '\r');

		if (at == lines->end && !lines->last)
			return 0;
		if (at < lines->end && *at != '\n')
			return 1;
		lines->at = at + (at < lines->end);
	}
	return 0;
}

CSD_BUFFER_PROGRAM
int csv_filter(struct csd_context *context)
{
	enum next next = GO_ON;
	struct lines lines;

	context->consumed = 0;
	csd_state.error = filter_begin(context);
	if (csd_state.error == 0 &&
	    (filter.given->delimiter == '"' || filter.given->delimiter == '\n' || filter.given->delimiter == '\r' ||
	     (filter.given->name_bytes > 0 && filter.given->flags == 0)))
		csd_state.error = CSD_PROGRAM_DATA_VALUE;
	if (csd_state.error != 0)
		return CSD_STOP;
	if (!begun) {
		csd_state.field = filter.given->name_bytes > 0 ? CSD_FILTER_NOWHERE : filter.given->field;
		begun = 1;
	}
	lines_begin(&lines, context);
	while (next == GO_ON) {
		if (lines_skipping && !lines_skip(&lines))
			break;
		if (!csv_skip_empty(&lines))
			break;
		next = csv_record(&lines, context);
	}
	csd_state.too_long += lines.too_long;
	context->consumed = lines.at - context->begin;
	return 0;
}
