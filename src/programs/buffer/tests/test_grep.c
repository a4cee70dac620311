/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "chance.h"
#include "reference.h"
#include "samples.h"
#include "test.h"

#define BYTES	(192 * 1024 + 7)

static const struct program program = {
	.name = "grep", .reference = reference_grep, .state_bytes = sizeof(struct csd_grep_state), .most_part = CSD_LINE_BYTES + 1,
	.item_bytes = 100,
};

/* Strings with '|' between. */
static struct job
ask(uint32_t flags, const char *strings)
{
	static uint8_t data[4096];
	struct csd_grep given = {.flags = flags};
	uint64_t at = sizeof(given);

	for (bool more = true; more; given.strings++) {
		uint16_t bytes = strcspn(strings, "|");

		memcpy(data + at, &bytes, 2);
		memcpy(data + at + 2, strings, bytes);
		at += 2 + bytes;
		more = strings[bytes] == '|';
		strings += bytes + more;
	}
	memcpy(data, &given, sizeof(given));
	return (struct job) {.data = data, .data_bytes = at};
}

static void
check_by_hand(void)
{
	static const struct {
		uint32_t flags;
		const char *strings, *input, *out;
	} cases[] = {
		{0, "a", "", ""},
		{0, "a", "a", "a"},
		{0, "a", "\n", ""},
		{CSD_GREP_INVERT, "a", "\n", "\n"},
		{CSD_GREP_INVERT, "a", "\n\na\n\nb", "\n\n\nb"},
		{0, "ab", "xxab\nab\r\nb\na\nb\nxab", "xxab\nab\r\nxab"},
		{CSD_GREP_NUMBERS, "ab", "xxab\nab\r\nb\na\nb\nxab", "1:xxab\n2:ab\r\n6:xab"},
		{CSD_GREP_COUNT | CSD_GREP_NUMBERS, "ab", "xxab\nab\n", ""},
		{0, "aab", "aaab\naaaab\nab\n", "aaab\naaaab\n"},
		{0, "abab|babc", "ababab\nababc\nbabab\nbbabcc\nabac\n", "ababab\nababc\nbabab\nbbabcc\n"},
		{0, "abcd|bc|cde", "xbcx\ncde\nabd\ncd\n", "xbcx\ncde\n"},
		{0, "error|failure|warning", "an error\nA Failure\na warning\nerro\nwarnin\nfailure", "an error\na warning\nfailure"},
		{CSD_GREP_IGNORE_CASE, "eRRor|failure", "an Error\nFAILURE\nerr@r\nERROr[\n", "an Error\nFAILURE\nERROr[\n"},
		{CSD_GREP_IGNORE_CASE, "a[{", "A[{\na{{\na[[\nA[{", "A[{\nA[{"},
		{CSD_GREP_INVERT | CSD_GREP_NUMBERS, "longer than eight", "x\nis longer than eight\ny\nlonger than eigh\n",
			"1:x\n3:y\n4:longer than eigh\n"},
		{0, "stra\xc3\x9f" "e", "Stra\xc3\x9f" "e\nstra\xc3\x9f" "e\n", "stra\xc3\x9f" "e\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		run_check_text(&program, ask(cases[i].flags, cases[i].strings), cases[i].input, cases[i].out, cases[i].strings, NULL);
	}
}

/* A string that ends a text of any length, at any place of it, and one of zeros, which are behind no text. */
static void
check_places(void)
{
	static const char *const strings[] = {"q", "qr", "qrs", "qrst", "qrstuvw", "qrstuvwx", "qrstuvwxyz0123456789"};
	static const uint8_t zeros[] = {1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 'a', 0, 0};
	struct job job = {.data = zeros, .data_bytes = sizeof(zeros)};

	run_check_text(&program, job, "xxxa", "", "zeros", NULL);
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		for (uint32_t before = 0; before < 24; before++) {
			char text[64];

			snprintf(text, sizeof(text), "%.*s%s", (int)before, "abcabcabcabcabcabcabcabc", strings[i]);
			run_check_text(&program, ask(0, strings[i]), text, text, "places", NULL);
			text[strlen(text) - 1] = '\n';
			run_check_text(&program, ask(0, strings[i]), text, "", "almost", NULL);
		}
	}
}

/* Around the longest line; and several that are too long, one behind the other. */
static void
check_long_lines(void)
{
	static char text[5 * CSD_LINE_BYTES + 100];
	struct job job = ask(CSD_GREP_NUMBERS, "needle");

	for (uint32_t more = 0; more < 4; more++) {
		uint64_t at = 0;
		struct result result;

		memset(text, '-', sizeof(text));
		for (uint32_t i = 0; i < 4; i++) {
			uint64_t bytes = i == 1 ? 2 * CSD_LINE_BYTES + more : CSD_LINE_BYTES - 2 + more;

			memcpy(text + at + (i < 2 ? 100 : bytes - 7), "needle", 6);
			text[at + bytes - 1] = '\n';
			at += bytes;
		}
		memcpy(text + at, "another\nneedle", 15);
		job.input = (const uint8_t *)text;
		job.bytes = strlen(text);
		run_check(&program, &job, 12, "long lines", &result);
		CHECK_EQUAL(((struct csd_grep_state *)result.state)->too_long, more == 3 ? 4 : 1);
		free(result.out);
		job.bytes -= 14 + (more & 1);	/* the last line is the long one */
		run_check(&program, &job, 4, "long last line", NULL);
	}
}

static void
check_wrong_data(void)
{
	static const uint8_t wrong[][12] = {
		{0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 'a'}, {65, 0, 0, 0, 0, 0, 0, 0, 1, 0, 'a'}, {1, 0, 0, 0, 16, 0, 0, 0, 1, 0, 'a'},
		{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'a'}, {1, 0, 0, 0, 0, 0, 0, 0, 1, 0, '\n'}, {2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 'a'},
		{1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 'a'},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		for (uint64_t bytes = 0; bytes <= 11; bytes++) {
			struct job job = {.data = wrong[i], .data_bytes = bytes, .input = wrong[0], .bytes = 12};
			struct result result;

			run_check(&program, &job, 1, "wrong data", &result);
			CHECK(((struct csd_grep_state *)result.state)->error != 0, "data %zu, %lu bytes", i, bytes);
			free(result.out);
		}
	}
}

/* More line feeds in one place of its words than a byte counts. */
static void
check_empty_lines(void)
{
	static char text[5001];
	struct result result;

	memset(text, '\n', 5000);
	run_check_text(&program, ask(0, "a"), text, "", "empty lines", &result);
	CHECK_EQUAL(((struct csd_grep_state *)result.state)->lines, 5000);
}

/* As many strings as may be. */
static void
check_many(const uint8_t *input)
{
	char strings[2048] = "";
	struct job job;

	for (int i = 0; i < CSD_GREP_STRINGS; i++) {
		sprintf(strings + strlen(strings), "%s%d:%02d", i > 0 ? "|" : "", i % 24, i * 7 % 60);
	}
	job = ask(0, strings);
	job.input = input;
	job.bytes = BYTES;
	run_check(&program, &job, 3, "64 strings", NULL);
}

int
main(int argc, char **argv)
{
	static const char *const strings[] = {"disk", "timeout|refused", "e", "ERROR", "nowhere in it", "st|ou", "connection to 10.0.3"};
	static uint8_t input[BYTES];
	struct job job;

	run_begin(argc, argv);
	check_by_hand();
	check_places();
	check_long_lines();
	check_empty_lines();
	check_wrong_data();
	sample_log(input, BYTES);
	for (uint32_t i = 0; i < 28; i++) {
		job = ask(i * 5 % 16, strings[i % 7]);
		job.input = input;
		job.bytes = BYTES / 2 + i;
		job.cparam1 = i % 4 == 3 ? 1 + i * 3 : 0;
		run_check(&program, &job, 2, strings[i % 7], NULL);
	}
	check_many(input);
	/* Few letters, so that much almost is there. */
	chance_begin(run_seed(), 4);
	for (uint64_t at = 0; at < BYTES; at++) {
		input[at] = below(50) == 0 ? '\n' : "abAb"[below(4)];
	}
	job = ask(CSD_GREP_IGNORE_CASE * (run_seed() & 1), "abbabaab|babbabab|aabaabaabaabaab|bbbbbbbb");
	job.input = input;
	job.bytes = BYTES / 4;
	run_check(&program, &job, 3, "few letters", NULL);
	sample_numbers(input, BYTES);
	job = ask(0, "\x01\x02|ab");
	job.input = input;
	job.bytes = BYTES;
	run_check(&program, &job, 3, "any bytes", NULL);
	return run_end(program.name);
}
