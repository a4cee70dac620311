/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_json.h"

#include <string.h>

static void
json_print_string(FILE *out, const char *text)
{
	const unsigned char *c;

	fputc('"', out);
	for (c = (const unsigned char *)text; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\') {
			fprintf(out, "\\%c", *c);
		} else if (*c < 0x20) {
			fprintf(out, "\\u%04x", *c);
		} else {
			fputc(*c, out);
		}
	}
	fputc('"', out);
}

static void
json_begin(struct csd_json *json, const char *key)
{
	if (json->filled[json->depth]) {
		fputs(", ", json->out);
	}
	json->filled[json->depth] = true;
	if (key != NULL) {
		json_print_string(json->out, key);
		fputs(": ", json->out);
	}
}

static void
json_open_level(struct csd_json *json, const char *key, char bracket)
{
	json_begin(json, key);
	fputc(bracket, json->out);
	json->filled[++json->depth] = false;
}

static void
json_close_level(struct csd_json *json, char bracket)
{
	json->depth--;
	fputc(bracket, json->out);
}

void
csd_json_init(struct csd_json *json, FILE *out)
{
	memset(json, 0, sizeof(*json));
	json->out = out;
}

void
csd_json_object(struct csd_json *json, const char *key)
{
	json_open_level(json, key, '{');
}

void
csd_json_object_end(struct csd_json *json)
{
	json_close_level(json, '}');
}

void
csd_json_array(struct csd_json *json, const char *key)
{
	json_open_level(json, key, '[');
}

void
csd_json_array_end(struct csd_json *json)
{
	json_close_level(json, ']');
}

void
csd_json_u64(struct csd_json *json, const char *key, uint64_t value)
{
	json_begin(json, key);
	fprintf(json->out, "%lu", value);
}

void
csd_json_i64(struct csd_json *json, const char *key, int64_t value)
{
	json_begin(json, key);
	fprintf(json->out, "%ld", value);
}

void
csd_json_seconds(struct csd_json *json, const char *key, double value)
{
	json_begin(json, key);
	fprintf(json->out, "%.9f", value);
}

void
csd_json_bool(struct csd_json *json, const char *key, bool value)
{
	csd_json_raw(json, key, value ? "true" : "false");
}

void
csd_json_string(struct csd_json *json, const char *key, const char *value)
{
	json_begin(json, key);
	if (value == NULL) {
		fputs("null", json->out);
	} else {
		json_print_string(json->out, value);
	}
}

void
csd_json_raw(struct csd_json *json, const char *key, const char *value)
{
	json_begin(json, key);
	fputs(value, json->out);
}

void
csd_json_finish(struct csd_json *json)
{
	fputc('\n', json->out);
	fflush(json->out);
	json->filled[0] = false;
}
