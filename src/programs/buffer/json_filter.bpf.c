/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Lines of JSON in which a field compares with an operand: struct csd_filter. */
#include "filter.h"
#include "json.h"

#define MOST_DEPTH	64

/* The path's names; anew for each part, as the filter is. */
static struct {
	const __u8 *begin;
	__u64 bytes;
} names[CSD_FILTER_NAMES];
static __u64 name_count;

/* False: there are too many. */
static int json_take_names(void)
{
	const __u8 *at = filter.name, *end = at + filter.given->name_bytes;

	for (name_count = 0; name_count < CSD_FILTER_NAMES; name_count++) {
		const __u8 *stop = words_find(at, end, 0);

		names[name_count].begin = at;
		names[name_count].bytes = stop - at;
		if (stop == end) {
			name_count++;
			return 1;
		}
		at = stop + 1;
	}
	return 0;
}

/* --- one line --- */

struct json {
	const __u8 *at, *end;
	__u64 objects;		/* of each container around this place: a bit, 1: it is an object; the lowest is the innermost */
	__u64 depth;		/* containers around this place */
	__u64 matched;		/* how many of the path's names lead to the innermost object, or to one around it */
};

/* The field's value; `limit`: the line's end. Not by the struct: whose address is handed out, it cannot be in registers. */
static __attribute__((noinline)) long json_look_at_value(const __u8 *begin, const __u8 *limit)
{
	const __u8 *end;
	long found;

	switch (begin < limit ? *begin : 0) {
	case '{': case '[':
		return FILTER_NOT_COMPARABLE;
	case '"':
		json_escapes = 0;
		end = json_string(begin + 1, limit);
		if (end == 0)
			return FILTER_MALFORMED;
		if (filter.given->as == CSD_AS_NUMBER)
			found = FILTER_NOT_COMPARABLE;
		else if (json_escapes)
			found = json_compare(begin + 1, end, filter.operand, filter.given->operand_bytes);
		else
			found = filter_compare(begin + 1, end);
		end++;
		break;
	case 't': case 'f': case 'n':
		end = json_literal(begin, limit);
		found = filter.given->as == CSD_AS_NUMBER || end == 0 ? FILTER_NOT_COMPARABLE : filter_compare(begin, end);
		break;
	default:
		end = json_number(begin, limit);
		found = end == 0 ? FILTER_NOT_COMPARABLE : filter_compare(begin, end);
	}
	if (end == 0)
		return FILTER_MALFORMED;
	end = json_blanks(end, limit);
	return end < limit && (*end == ',' || *end == '}') ? found : FILTER_MALFORMED;
}

enum next { MALFORMED, MEMBER, VALUE, BEHIND, FIELD };

/* At a value that is not the field. Goes into containers. */
static inline enum next json_value(struct json *json)
{
	__u8 first;

	if (json->at == json->end)
		return MALFORMED;
	first = *json->at;
	if (first == '{' || first == '[') {
		__u8 closing = first + 2;

		if (json->depth == MOST_DEPTH)
			return MALFORMED;
		json->at = json_blanks(json->at + 1, json->end);
		json->depth++;
		json->objects = json->objects << 1 | (first == '{');
		if (json->at == json->end || *json->at != closing)
			return first == '{' ? MEMBER : VALUE;
		return BEHIND;	/* which closes it */
	}
	if (first == '"') {
		json->at = json_string(json->at + 1, json->end);
		json->at += json->at != 0;
	} else if (first == 't' || first == 'f' || first == 'n') {
		json->at = json_literal(json->at, json->end);
	} else {
		json->at = json_number(json->at, json->end);
	}
	if (json->at == 0)
		return MALFORMED;
	json->at = json_blanks(json->at, json->end);
	return BEHIND;
}

/* At a member's name. */
static inline enum next json_member(struct json *json)
{
	const __u8 *name, *end;
	int same = 0;

	if (json->at == json->end || *json->at != '"')
		return MALFORMED;
	name = json->at + 1;
	json_escapes = 0;
	end = json_string(name, json->end);
	if (end == 0)
		return MALFORMED;
	if (json->depth == json->matched + 1) {
		const __u8 *wanted = names[json->matched].begin;
		__u64 bytes = names[json->matched].bytes;

		if (json_escapes)
			same = json_compare(name, end, wanted, bytes) == 0;
		else
			same = (__u64)(end - name) == bytes && filter_compare_text(name, bytes, wanted, bytes) == 0;
	}
	json->at = json_blanks(end + 1, json->end);
	if (json->at == json->end || *json->at != ':')
		return MALFORMED;
	json->at = json_blanks(json->at + 1, json->end);
	if (!same)
		return VALUE;
	if (json->matched + 1 == name_count)
		return FIELD;
	json->matched += json->at < json->end && *json->at == '{';
	return VALUE;
}

/* Behind a value, in a container: a comma, or its end. */
static inline enum next json_behind(struct json *json)
{
	__u8 found;

	if (json->at == json->end)
		return MALFORMED;
	found = *json->at;
	json->at = json_blanks(json->at + 1, json->end);
	if (found == ',')
		return json->objects & 1 ? MEMBER : VALUE;
	if (found != (json->objects & 1 ? '}' : ']'))
		return MALFORMED;
	json->depth--;
	json->objects >>= 1;
	if (json->matched > 0 && json->matched >= json->depth)
		json->matched = json->depth > 0 ? json->depth - 1 : 0;
	return BEHIND;
}

static __attribute__((noinline)) long json_look(const __u8 *line, const __u8 *end)
{
	struct json json = {.at = line, .end = end};
	enum next next = VALUE;

	for (;;) {
		switch (next) {
		case VALUE:
			next = json_value(&json);
			break;
		case MEMBER:
			next = json_member(&json);
			break;
		case BEHIND:
			if (json.depth == 0)
				return json.at == end ? FILTER_MISSING : FILTER_MALFORMED;
			next = json_behind(&json);
			break;
		case FIELD:
			return json_look_at_value(json.at, end);
		default:
			return FILTER_MALFORMED;
		}
	}
}

CSD_BUFFER_PROGRAM
int json_filter(struct csd_context *context)
{
	struct lines lines;
	long full = 0;

	context->consumed = 0;
	csd_state.error = filter_begin(context);
	if (csd_state.error == 0 &&
	    (filter.given->name_bytes == 0 || filter.given->field > 0 || filter.given->flags != 0 || filter.given->delimiter != 0 ||
	     !json_take_names()))
		csd_state.error = CSD_PROGRAM_DATA_VALUE;
	if (csd_state.error != 0)
		return CSD_STOP;
	lines_begin(&lines, context);
	while (full == 0 && lines_next(&lines)) {
		while (full == 0 && lines.at < lines.stop) {
			const __u8 *end = words_find(lines.at, lines.stop, '\n'), *text = json_blanks(lines.at, end);
			const __u8 *next = end + (end < lines.stop);

			if (text < end)
				full = filter_take(json_look(text, end), lines.at, next);
			lines.at = full == 0 ? next : lines.at;
		}
	}
	csd_state.too_long += lines.too_long;
	context->consumed = lines.at - context->begin;
	return 0;
}
