/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* By recursive descent, as RFC 8259's grammar goes. */
#include <setjmp.h>
#include <stdlib.h>

#include "reference_filter.h"

struct reader {
	const struct wish *wish;
	const uint8_t *at, *end;
	struct text path[64];
	uint32_t names;
	uint32_t depth;
	enum verdict verdict;
	jmp_buf done;
	uint8_t text[2 * CSD_LINE_BYTES];	/* the last string, decoded */
	uint64_t text_bytes;
};

static void __attribute__((noreturn))
json_end(struct reader *reader, enum verdict verdict)
{
	reader->verdict = verdict;
	longjmp(reader->done, 1);
}

static int
json_peek(const struct reader *reader)
{
	return reader->at < reader->end ? *reader->at : -1;
}

static void
json_expect(struct reader *reader, const char *text)
{
	for (; *text != '\0'; text++) {
		if (json_peek(reader) != *text) {
			json_end(reader, VERDICT_MALFORMED);
		}
		reader->at++;
	}
}

static void
json_space(struct reader *reader)
{
	while (json_peek(reader) == ' ' || json_peek(reader) == '\t' || json_peek(reader) == '\r') {
		reader->at++;
	}
}

static uint32_t
json_four(struct reader *reader)
{
	char digits[5] = "";

	for (int i = 0; i < 4; i++) {
		int c = json_peek(reader);

		if (c <= 0 || strchr("0123456789abcdefABCDEF", c) == NULL) {
			json_end(reader, VERDICT_MALFORMED);
		}
		digits[i] = c;
		reader->at++;
	}
	return strtoul(digits, NULL, 16);
}

static void
json_put(struct reader *reader, uint32_t code)
{
	uint8_t *to = reader->text + reader->text_bytes;
	int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
	static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};

	to[0] = lead[more] | code >> 6 * more;
	for (int i = 1; i <= more; i++) {
		to[i] = 0x80 | (code >> 6 * (more - i) & 0x3f);
	}
	reader->text_bytes += more + 1;
}

static void
json_unicode(struct reader *reader)
{
	uint32_t code = json_four(reader), low;
	const uint8_t *behind = reader->at;

	if (code >> 10 == 0x36 && reader->end - behind >= 6 && behind[0] == '\\' && behind[1] == 'u') {
		reader->at += 2;
		low = json_four(reader);
		if (low >> 10 == 0x37) {
			json_put(reader, 0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00));
			return;
		}
		reader->at = behind;
	}
	json_put(reader, code >> 11 == 0x1b ? 0xfffd : code);
}

static struct text
json_read_string(struct reader *reader)
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";

	reader->text_bytes = 0;
	json_expect(reader, "\"");
	for (;;) {
		int c = json_peek(reader);
		const char *letter;

		if (c < 0x20) {
			json_end(reader, VERDICT_MALFORMED);
		}
		reader->at++;
		if (c == '"') {
			return (struct text) {reader->text, reader->text_bytes};
		}
		if (c != '\\') {
			reader->text[reader->text_bytes++] = c;
			continue;
		}
		c = json_peek(reader);
		letter = c > 0 ? strchr(letters, c) : NULL;
		if (letter == NULL && c != 'u') {
			json_end(reader, VERDICT_MALFORMED);
		}
		reader->at++;
		if (c == 'u') {
			json_unicode(reader);
		} else {
			reader->text[reader->text_bytes++] = meanings[letter - letters];
		}
	}
}

static void
json_read_digits(struct reader *reader)
{
	if (json_peek(reader) < '0' || json_peek(reader) > '9') {
		json_end(reader, VERDICT_MALFORMED);
	}
	while (json_peek(reader) >= '0' && json_peek(reader) <= '9') {
		reader->at++;
	}
}

static struct text
json_read_number(struct reader *reader)
{
	const uint8_t *begin = reader->at;

	if (json_peek(reader) == '-') {
		reader->at++;
	}
	if (json_peek(reader) == '0') {
		reader->at++;
	} else {
		json_read_digits(reader);
	}
	if (json_peek(reader) == '.') {
		reader->at++;
		json_read_digits(reader);
	}
	if (json_peek(reader) == 'e' || json_peek(reader) == 'E') {
		reader->at++;
		if (json_peek(reader) == '+' || json_peek(reader) == '-') {
			reader->at++;
		}
		json_read_digits(reader);
	}
	return (struct text) {begin, reader->at - begin};
}

static struct text
json_read_word(struct reader *reader)
{
	const uint8_t *begin = reader->at;

	json_expect(reader, *begin == 't' ? "true" : *begin == 'f' ? "false" : "null");
	return (struct text) {begin, reader->at - begin};
}

/* The value that is looked for: ends the line's reading. */
static void __attribute__((noreturn))
json_field(struct reader *reader)
{
	bool number = reader->wish->given.as == CSD_AS_NUMBER;
	enum verdict verdict;

	switch (json_peek(reader)) {
	case '{': case '[':
		json_end(reader, VERDICT_NOT_COMPARABLE);
	case '"': {
		struct text text = json_read_string(reader);

		verdict = number ? VERDICT_NOT_COMPARABLE : reference_compare(reader->wish, text);
		break;
	}
	case 't': case 'f': case 'n': {
		struct text text = json_read_word(reader);

		verdict = number ? VERDICT_NOT_COMPARABLE : reference_compare(reader->wish, text);
		break;
	}
	default:
		verdict = reference_compare(reader->wish, json_read_number(reader));
	}
	json_space(reader);
	json_end(reader, json_peek(reader) == ',' || json_peek(reader) == '}' ? verdict : VERDICT_MALFORMED);
}

/* `names`: how many of the path lead here; -1: another way does. */
static void
json_value(struct reader *reader, int names)
{
	int first = json_peek(reader);

	if (first == '"') {
		json_read_string(reader);
		return;
	}
	if (first == 't' || first == 'f' || first == 'n') {
		json_read_word(reader);
		return;
	}
	if (first != '{' && first != '[') {
		json_read_number(reader);
		return;
	}
	if (++reader->depth > 64) {
		json_end(reader, VERDICT_MALFORMED);
	}
	reader->at++;
	json_space(reader);
	for (bool more = json_peek(reader) != first + 2; more;) {
		int behind = -1;

		if (first == '{') {
			struct text name = json_read_string(reader);

			if (names >= 0 && name.bytes == reader->path[names].bytes &&
			    (name.bytes == 0 || memcmp(name.at, reader->path[names].at, name.bytes) == 0)) {
				behind = names + 1;
			}
			json_space(reader);
			json_expect(reader, ":");
			json_space(reader);
		}
		if (behind == (int)reader->names) {
			json_field(reader);
		}
		json_value(reader, json_peek(reader) == '{' ? behind : -1);
		json_space(reader);
		more = json_peek(reader) == ',';
		if (more) {
			reader->at++;
			json_space(reader);
		}
	}
	json_expect(reader, first == '{' ? "}" : "]");
	reader->depth--;
}

static enum verdict
json_judge(struct reader *reader)
{
	reader->depth = 0;
	if (setjmp(reader->done) == 0) {
		json_value(reader, json_peek(reader) == '{' ? 0 : -1);
		json_space(reader);
		reader->verdict = reader->at == reader->end ? VERDICT_MISSING : VERDICT_MALFORMED;
	}
	return reader->verdict;
}

static bool
json_path(struct reader *reader, struct text path)
{
	const uint8_t *end = path.at + path.bytes;

	for (const uint8_t *at = path.at; reader->names <= CSD_FILTER_NAMES;) {
		const uint8_t *stop = memchr(at, 0, end - at);

		reader->path[reader->names++] = (struct text) {at, (stop != NULL ? stop : end) - at};
		if (stop == NULL) {
			return reader->names <= CSD_FILTER_NAMES;
		}
		at = stop + 1;
	}
	return false;
}

void
reference_json_filter(const struct job *job, struct result *wanted)
{
	static struct reader reader;
	struct csd_filter_state *state = (struct csd_filter_state *)wanted->state;
	struct wish wish;

	reader.wish = &wish;
	reader.names = 0;
	state->error = reference_wish(job, &wish);
	if (state->error == 0 && (wish.name.bytes == 0 || wish.given.field != 0 || wish.given.flags != 0 || wish.given.delimiter != 0 ||
				  !json_path(&reader, wish.name))) {
		state->error = CSD_PROGRAM_DATA_VALUE;
	}
	for (uint64_t at = 0, bytes; state->error == 0 && at < job->bytes; at += bytes) {
		bytes = reference_line(job, at);
		if (bytes > CSD_LINE_BYTES) {
			state->too_long++;
			continue;
		}
		reader.at = job->input + at;
		reader.end = reader.at + bytes - (job->input[at + bytes - 1] == '\n');
		json_space(&reader);
		if (reader.at < reader.end) {
			reference_count(state, json_judge(&reader), wanted, (struct text) {job->input + at, bytes});
		}
	}
}
