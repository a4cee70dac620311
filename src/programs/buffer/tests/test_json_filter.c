/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "ask_filter.h"
#include "chance.h"
#include "reference.h"
#include "samples.h"
#include "test.h"

#define BYTES	(160 * 1024 + 3)

static const struct program program = {
	.name = "json_filter", .reference = reference_json_filter, .state_bytes = sizeof(struct csd_filter_state),
	.most_part = CSD_LINE_BYTES + 1, .item_bytes = 200,
};

struct expected {
	const char *line;
	char found;	/* Equal, Other, Missing, maLformed, Not comparable, ' ': no record */
};

/* Each line alone, and with others around it. */
static void
check_lines(struct job job, const struct expected *lines, uint64_t count)
{
	static char text[64 * 1024], out[64 * 1024];
	struct csd_filter_state wanted = {0};
	struct result result;

	text[0] = out[0] = '\0';
	for (uint64_t i = 0; i < count; i++) {
		bool equal = lines[i].found == 'E';

		strcat(strcat(text, lines[i].line), i + 1 < count ? "\n" : "");
		if (equal) {
			strcat(strcat(out, lines[i].line), i + 1 < count ? "\n" : "");
		}
		run_check_text(&program, job, lines[i].line, equal ? lines[i].line : "", lines[i].line, &result);
		wanted.records += lines[i].found != ' ';
		wanted.kept += equal;
		wanted.missing += lines[i].found == 'M';
		wanted.malformed += lines[i].found == 'L';
		wanted.not_comparable += lines[i].found == 'N';
	}
	run_check_text(&program, job, text, out, "all lines", &result);
	CHECK(memcmp(result.state, &wanted, sizeof(wanted)) == 0, "%s: other counts", text);
}
#define CHECK_LINES(job, ...) do { \
	static const struct expected lines_[] = {__VA_ARGS__}; \
\
	check_lines(job, lines_, sizeof(lines_) / sizeof(lines_[0])); \
} while (0)

static const struct csd_filter text_equal = {.keep = CSD_EQUAL}, number_equal = {.keep = CSD_EQUAL, .as = CSD_AS_NUMBER};

static void
check_text(void)
{
	CHECK_LINES(ask_filter(text_equal, "a", "x"),
		{"{\"a\":\"x\"}", 'E'}, {"{\"a\":\"y\"}", 'O'}, {"{\"b\":\"x\"}", 'M'}, {"{}", 'M'}, {" { } ", 'M'}, {"[]", 'M'},
		{"[{\"a\":\"x\"}]", 'M'},
		{"\"a\"", 'M'}, {"1", 'M'}, {"null", 'M'}, {"", ' '}, {" \t\r", ' '}, {"{\"a\" \t: \"x\" }\r", 'E'}, {"{\"A\":\"x\"}", 'M'},
		{"{\"a\":{\"a\":\"x\"}}", 'N'}, {"{\"b\":{\"a\":\"x\"}}", 'M'}, {"{\"b\":[{\"a\":\"x\"}],\"a\":\"x\"}", 'E'},
		{"{\"a\":[\"x\"]}", 'N'},
		{"{\"b\":\"a\",\"a\":\"x\"}", 'E'}, {"{\"b\":\"\\\"a\\\":\\\"x\\\"\"}", 'M'}, {"{\"a\":\"y\",\"a\":\"x\"}", 'O'},
		{"{\"\\u0061\":\"\\u0078\"}", 'E'},
		{"{\"a\":\"x\",garbage", 'E'}, {"{\"a\":\"x\"", 'L'}, {"{\"a\":\"x\" 1}", 'L'}, {"{\"a\":\"x", 'L'}, {"{\"a\":}", 'L'},
		{"{\"a\"}", 'L'},
		{"{\"a\" \"x\"}", 'L'}, {"{a:\"x\"}", 'L'}, {"{\"b\":1,}", 'L'}, {"{\"b\":1 \"a\":\"x\"}", 'L'}, {"{\"b\":1", 'L'},
		{"{\"b\":1}}", 'L'},
		{"{\"b\":1} x", 'L'}, {"{\"b\":[1,]}", 'L'}, {"{\"b\":[1}", 'L'}, {"{\"b\":[1}]", 'L'}, {"{\"b\":01}", 'L'}, {"{\"b\":+1}", 'L'},
		{"{\"b\":.5}", 'L'}, {"{\"b\":1.}", 'L'}, {"{\"b\":1e}", 'L'}, {"{\"b\":-}", 'L'}, {"{\"b\":-0.5E+7}", 'M'}, {"{\"b\":tru}", 'L'},
		{"{\"b\":nulll}", 'L'}, {"{\"b\":true,\"c\":false,\"d\":null}", 'M'}, {"{\"b\":\"\\x\"}", 'L'}, {"{\"b\":\"\\u12g4\"}",
			'L'}, {"{\"b\":\"\\", 'L'},
		{"{\"b\":\"\\u12", 'L'}, {"{\"b\":\"tab\there\"}", 'L'}, {"{\"b\":\"del\x7f\"}", 'M'}, {"{\"b\":'x'}", 'L'}, {",", 'L'},
		{"}", 'L'}, {"]", 'L'},
		{"{,}", 'L'}, {"[,]", 'L'}, {"{\"a\":\"x\\\"}", 'L'}, {"{\"a\":\"x\\\\\"}", 'O'}, {"\xef\xbb\xbf{\"a\":\"x\"}", 'L'},
		{"{\"a\":\"x\"]", 'L'});
	CHECK_LINES(ask_filter(text_equal, "a", "true"), {"{\"a\":true}", 'E'}, {"{\"a\":\"true\"}", 'E'}, {"{\"a\":false}", 'O'},
		{"{\"a\":null}", 'O'},
		{"{\"a\":truex}", 'L'}, {"{\"a\":1}", 'O'}, {"{\"a\":true", 'L'});
	CHECK_LINES(ask_filter(text_equal, "a", "1.0"), {"{\"a\":1.0}", 'E'}, {"{\"a\":1}", 'O'}, {"{\"a\":\"1.0\"}", 'E'},
		{"{\"a\":1.0x}", 'L'});
	CHECK_LINES(ask_filter(text_equal, "a", ""), {"{\"a\":\"\"}", 'E'}, {"{\"a\":\" \"}", 'O'}, {"{\"a\":\"\\u0000\"}", 'O'},
		{"{\"\":\"\"}", 'M'});
}

static void
check_escapes(void)
{
	CHECK_LINES(ask_filter(text_equal, "a", "\"\\\b\f\n\r\t"), {"{\"a\":\"\\\"\\\\\\b\\f\\n\\r\\t\"}", 'E'},
		{"{\"a\":\"\\u0022\\u005c\\u0008\\u000C\\u000a\\u000D\\u0009\"}", 'E'});
	CHECK_LINES(ask_filter(text_equal, "a", "Bj\xc3\xb6rn"), {"{\"a\":\"Bj\\u00f6rn\"}", 'E'}, {"{\"a\":\"Bj\\u00F6rn\"}", 'E'},
		{"{\"a\":\"Bj\xc3\xb6rn\"}", 'E'},
		{"{\"a\":\"Bjo\\u0308rn\"}", 'O'});
	CHECK_LINES(ask_filter(text_equal, "a", "\xf0\x9f\x98\x80"), {"{\"a\":\"\\ud83d\\ude00\"}", 'E'},
		{"{\"a\":\"\xf0\x9f\x98\x80\"}", 'E'},
		{"{\"a\":\"\\ud83d\"}", 'O'}, {"{\"a\":\"\\ude00\\ud83d\"}", 'O'}, {"{\"a\":\"\\ud83d\\u\"}", 'L'},
		{"{\"a\":\"\\ud83dx\\ude00\"}", 'O'});
	CHECK_LINES(ask_filter(text_equal, "a", "\xef\xbf\xbd"), {"{\"a\":\"\\ud83d\"}", 'E'}, {"{\"a\":\"\\udc00\"}", 'E'},
		{"{\"a\":\"\\ufffd\"}", 'E'},
		{"{\"a\":\"\\ud83d\\ud83d\"}", 'O'});
	CHECK_LINES(ask_filter(text_equal, "a", "\xef\xbf\xbd\xef\xbf\xbd"), {"{\"a\":\"\\ude00\\ude00\"}", 'E'},
		{"{\"a\":\"\\ud83d\\ud83d\"}", 'E'});
	CHECK_LINES(ask_filter(text_equal, "a", "\xef\xbf\xbd" "A"), {"{\"a\":\"\\ud83d\\u0041\"}", 'E'}, {"{\"a\":\"\\ud83dA\"}", 'E'});
	CHECK_LINES(ask_filter(text_equal, "caf\xc3\xa9", "\xe2\x82\xac"), {"{\"caf\\u00e9\":\"\\u20ac\"}", 'E'},
		{"{\"caf\xc3\xa9\":\"\\u20AC\"}", 'E'}, {"{\"cafe\":\"\\u20ac\"}", 'M'});
}

static void
check_paths(void)
{
	CHECK_LINES(ask_filter(text_equal, "a/b/c", "x"), {"{\"a\":{\"b\":{\"c\":\"x\"}}}", 'E'},
		{"{\"a\":{\"b\":{\"d\":1},\"c\":\"x\"},\"b\":{\"c\":\"x\"}}", 'M'},
		{"{\"a\":{\"b\":1,\"b\":{\"c\":\"x\"}}}", 'E'}, {"{\"a\":{},\"a\":{\"b\":{\"c\":\"x\"}}}", 'E'},
		{"{\"a\":{\"b\":{}},\"b\":{\"c\":\"x\"},\"c\":\"x\"}", 'M'},
		{"{\"a\":[{\"b\":{\"c\":\"x\"}}]}", 'M'}, {"{\"a\":{\"b\":[{\"c\":\"x\"}]}}", 'M'},
		{"{\"z\":{\"a\":{\"b\":{\"c\":\"x\"}}}}", 'M'},
		{"{\"a\":{\"q\":{\"b\":{\"c\":\"x\"}},\"b\":{\"q\":[[{}]],\"c\":\"x\"}}}", 'E'}, {"{\"a/b/c\":\"x\"}", 'M'},
		{"{\"a\":\"b\",\"c\":\"x\"}", 'M'},
		{"{\"a\":{\"b\":{\"c\":{\"c\":\"x\"}}}}", 'N'}, {"{\"a\":{},\"z\":{\"b\":{\"c\":\"x\"}}}", 'M'},
		{"{\"a\":{\"b\":{}},\"z\":{\"z\":{\"c\":\"x\"}}}", 'M'}, {"{\"a\":{\"b\":{},\"c\":\"x\",\"z\":{\"c\":\"x\"}}}", 'M'});
	CHECK_LINES(ask_filter(text_equal, "a/", "x"), {"{\"a\":{\"\":\"x\"}}", 'E'}, {"{\"a\":\"x\"}", 'M'});
	CHECK_LINES(ask_filter(text_equal, "1/2/3/4/5/6/7/8", "x"),
		{"{\"1\":{\"2\":{\"3\":{\"4\":{\"5\":{\"6\":{\"7\":{\"8\":\"x\"}}}}}}}}", 'E'});
}

static void
check_numbers(void)
{
	CHECK_LINES(ask_filter(number_equal, "a", "-15e-1"), {"{\"a\":-1.5}", 'E'}, {"{\"a\":-1.50}", 'E'}, {"{\"a\":-0.15E+1}",
		'E'}, {"{\"a\":1.5}", 'O'},
		{"{\"a\":\"-1.5\"}", 'N'}, {"{\"a\":null}", 'N'}, {"{\"a\":true}", 'N'}, {"{\"a\":[]}", 'N'}, {"{\"a\":{}}", 'N'},
		{"{\"a\":-01.5}", 'L'},
		{"{\"a\":-1.5.0}", 'L'}, {"{\"a\": -1.5 , \"b\":2}", 'E'}, {"{\"a\":-1.5]", 'L'}, {"{\"a\":tru}", 'L'}, {"{\"a\":\"x}",
			'L'}, {"{\"a\":x}", 'L'});
	CHECK_LINES(ask_filter(number_equal, "id", "9223372036854775807"), {"{\"id\":9223372036854775807}", 'E'},
		{"{\"id\":9223372036854775806}", 'O'},
		{"{\"id\":9223372036854775808}", 'O'}, {"{\"id\":9.223372036854775807e18}", 'E'}, {"{\"id\":0}", 'O'});
}

/* 64 containers, and one more. */
static void
check_depth(void)
{
	for (uint32_t depth = 60; depth < 70; depth++) {
		char line[400] = "{\"b\":";
		struct csd_filter_state *state;
		struct result result;

		memset(line + 5, '[', depth - 1);
		memset(line + 4 + depth, ']', depth - 1);
		strcat(line, ",\"a\":\"x\"}");
		run_check_text(&program, ask_filter(text_equal, "a", "x"), line, depth <= 64 ? line : "", "depth", &result);
		state = (struct csd_filter_state *)result.state;
		CHECK_EQUAL(state->malformed, depth > 64);
		memset(line, '[', depth);
		memset(line + depth, ']', depth);
		line[2 * depth] = '\0';
		run_check_text(&program, ask_filter(text_equal, "a", "x"), line, "", "arrays", &result);
		CHECK_EQUAL(state->malformed, depth > 64);
	}
}

static void
check_long_lines(void)
{
	static char text[3 * CSD_LINE_BYTES];

	for (uint32_t i = 0; i < 4; i++) {
		uint64_t bytes = CSD_LINE_BYTES - 2 + i;
		struct job job = ask_filter(text_equal, "a", "x");
		struct result result;

		memset(text, 'y', sizeof(text));
		memcpy(text, "{\"b\":\"", 6);
		memcpy(text + bytes - 11, "\",\"a\":\"x\"}\n{\"a\":\"x\"}\n{\"a\":\"x\"}", 30);
		job.input = (const uint8_t *)text;
		job.bytes = bytes + 19;
		run_check(&program, &job, 10, "long lines", &result);
		CHECK(((struct csd_filter_state *)result.state)->too_long == (i == 3) &&
		      ((struct csd_filter_state *)result.state)->kept == 3 - (i == 3), "line of %lu bytes", bytes);
		free(result.out);
		job.bytes = bytes - (i & 1);
		run_check(&program, &job, 4, "long last line", NULL);
	}
}

static void
check_damaged(uint8_t *input)
{
	struct job job = ask_filter((struct csd_filter) {.keep = KEEP_LEAST}, "user/name", "D");

	chance_begin(run_seed(), 4);
	for (uint64_t at = 0; at < BYTES; at++) {
		input[at] = below(100) == 0 ? "\",:{}[]\\\n\r u0-e\x01\xff"[below(17)] : input[at];
	}
	job.input = input;
	job.bytes = BYTES;
	run_check(&program, &job, 3, "damaged", NULL);
	for (uint64_t at = 0; at < BYTES; at++) {
		input[at] = below(12) == 0 ? '\n' : "\"\"\",:{}[]\\ u0a1-e"[below(17)];
	}
	job = ask_filter(text_equal, "a", "1");
	job.input = input;
	job.bytes = BYTES;
	run_check(&program, &job, 3, "chaos", NULL);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *path, *operand;
		struct csd_filter given;
	} questions[] = {
		{"level", "error", {.keep = CSD_EQUAL}}, {"user/name", "Bj\xc3\xb6rn", {.keep = KEEP_OTHER}}, {"user/id", "200",
		{.keep = KEEP_LESS, .as = CSD_AS_NUMBER}},
		{"value", "99.9", {.keep = KEEP_LEAST, .as = CSD_AS_NUMBER}}, {"retry", "true", {.keep = CSD_EQUAL}}, {"tags", "", {.keep = 7}},
	};
	static uint8_t input[BYTES];

	run_begin(argc, argv);
	check_text();
	check_escapes();
	check_paths();
	check_numbers();
	check_depth();
	check_long_lines();
	check_wrong_filters(&program, (struct csd_filter) {.keep = 1}, "a");
	sample_json(input, BYTES);
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		struct job job = ask_filter(questions[i].given, questions[i].path, questions[i].operand);
		struct result result;

		job.input = input;
		job.bytes = BYTES - i;
		run_check(&program, &job, 3, questions[i].path, &result);
		CHECK(i == 5 || result.emitted > 1000, "%s keeps %lu bytes", questions[i].path, result.emitted);
		free(result.out);
	}
	check_damaged(input);
	run_check_text(&program, ask_filter(text_equal, "", "x"), "{}", "", "no name", NULL);
	run_check_text(&program, ask_filter(text_equal, "1/2/3/4/5/6/7/8/9", "x"), "{}", "", "too many names", NULL);
	return run_end(program.name);
}
