/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "ask_filter.h"
#include "chance.h"
#include "reference.h"
#include "samples.h"
#include "test.h"

#define BYTES	(160 * 1024 + 3)

static const struct program program = {
	.name = "csv_filter", .reference = reference_csv_filter, .state_bytes = sizeof(struct csd_filter_state),
	.most_part = CSD_LINE_BYTES + 1, .item_bytes = 80,
};

static void
check_text(void)
{
	static const struct {
		uint32_t field;
		uint8_t keep;
		const char *operand, *input, *out;
	} cases[] = {
		{0, CSD_EQUAL, "a", "", ""},
		{0, CSD_EQUAL, "a", "a", "a"},
		{0, CSD_EQUAL, "a", "a,b\nb,a\r\na\r\na\r", "a,b\na\r\na\r"},
		{1, CSD_EQUAL, "a", "a,b\nb,a\r\na\r\nb,a\r", "b,a\r\nb,a\r"},
		{1, CSD_EQUAL, "", "a\na,\na,b\n,,\n,\r\n", "a,\n,,\n,\r\n"},
		{0, CSD_EQUAL, "", "\n\r\n,\n\"\"\n\r", ",\n\"\"\n"},
		{1, CSD_EQUAL, "x,y", "a,\"x,y\",b\na,x,y\n\"x,y\"\nb,\"x,y\"", "a,\"x,y\",b\nb,\"x,y\""},
		{1, CSD_EQUAL, "x \"q\" y", "a,\"x \"\"q\"\" y\"\nb,\"x \"q\" y\"\nc,x \"q\" y\n", "a,\"x \"\"q\"\" y\"\nc,x \"q\" y\n"},
		{2, CSD_EQUAL, "c", "a,\"b\nB\",c\na,b,c\n\"\r\n\",\",\",c\r\na,b\n,c\n", "a,\"b\nB\",c\na,b,c\n\"\r\n\",\",\",c\r\n"},
		{1, CSD_EQUAL, "l1\nl2", "a,\"l1\nl2\"\nl1,l2\n", "a,\"l1\nl2\"\n"},
		{0, CSD_LESS, "b", "\na\nab\nb\nba\nB\n\"\"\n\"ab\"\n\"b\"\n", "a\nab\nB\n\"\"\n\"ab\"\n"},
		{0, KEEP_OTHER, "b", "a\nb\n\"b\"\n\"b\"\"\"\nbb\n", "a\n\"b\"\"\"\nbb\n"},
		{0, KEEP_LEAST, "\xc3\xa9", "e\n\xc3\xa9t\xc3\xa9\n\"\xc3\xa9\"\n", "\xc3\xa9t\xc3\xa9\n\"\xc3\xa9\"\n"},
		{0, CSD_EQUAL, "a", "\xef\xbb\xbf" "a\n\xef\xbb\xbf" "a\n", "\xef\xbb\xbf" "a\n"},
		{0, CSD_EQUAL, "a", "\"a\"x,1\n\"a\"\r,1\n\"a\" ,1\n\"a\"x\"b,c\"\na\n", "a\n"},
		{0, CSD_EQUAL, "a", "a,1\nb,\"a\na,2\n", "a,1\n"},
		{0, CSD_EQUAL, "\ra", "\ra\n\r\n\ra\r\na\n\r\ra\n\ra", "\ra\n\ra\r\n\ra"},
		{0, 7, "", "a\n\n\"b\n", "a\n"},
		{0, 0, "", "a\nb\n", ""},
		{70000, 7, "", "a,b\n", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct csd_filter given = {.field = cases[i].field, .keep = cases[i].keep};

		run_check_text(&program, ask_filter(given, "", cases[i].operand), cases[i].input, cases[i].out, cases[i].operand, NULL);
	}
}

static void
check_numbers(void)
{
	static const struct {
		uint8_t keep;
		const char *operand, *input, *out;
	} cases[] = {
		{CSD_EQUAL, "1.5", "1.5\n+1.50\n01.5\n15e-1\n0.15E+1\n.15e1\n1,5\n1.5.\n1.51\n-1.5\n1.5e\n",
			"1.5\n+1.50\n01.5\n15e-1\n0.15E+1\n.15e1\n"},
		{CSD_EQUAL, "0", "0\n-0\n0.000\n0e99\n.0\n0.\n.\n-\n\"\"\n1e-99\n", "0\n-0\n0.000\n0e99\n.0\n0.\n"},
		{CSD_LESS, "-1", "-2\n-1\n-1.0000000000000000000000000000001\n-10\n-0.9\n1\n0\n-1e1\n",
			"-2\n-1.0000000000000000000000000000001\n-10\n-1e1\n"},
		{CSD_GREATER, "18446744073709551614", "18446744073709551615\n18446744073709551614\n1.8446744073709551615e19\n2e19\n9\n-2e19\n",
		 "18446744073709551615\n1.8446744073709551615e19\n2e19\n"},
		{KEEP_LEAST, "-9223372036854775808", "-9223372036854775808\n-9223372036854775809\n-9223372036854775807\n",
		 "-9223372036854775808\n-9223372036854775807\n"},
		{CSD_EQUAL, "0.1234567890123456789012345678901234567",
			"0.1234567890123456789012345678901234567\n0.1234567890123456789012345678901234568\n"
		 "0.12345678901234567890123456789012345670\n",
			"0.1234567890123456789012345678901234567\n0.12345678901234567890123456789012345670\n"},
		{CSD_EQUAL, "2", " 2\n2\t\n\" 2 \"\n\"2\"\n2 0\n\"2\"\"\"\n2\r\n \n", " 2\n2\t\n\" 2 \"\n\"2\"\n2\r\n"},
		{CSD_GREATER, "1e9999", "1e10000\n1e99999999999999999999\n1e9998\n0.1e10001\n-1e10001\n",
			"1e10000\n1e99999999999999999999\n0.1e10001\n"},
		{CSD_EQUAL, "0.05", "0.05\n0.5\n.05\n5e-2\n0.005\n0000.0500\n", "0.05\n.05\n5e-2\n0000.0500\n"},
		{CSD_EQUAL, "1e1", "10\n1e18446744073709551617\n1e-18446744073709551615\n1e1\n", "10\n1e1\n"},
		{KEEP_OTHER, "7", "7\nseven\n8\n\n", "8\n"},
		{CSD_EQUAL, "7", "\xef\xbb\xbf" "7\n7\n", "\xef\xbb\xbf" "7\n7\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct csd_filter given = {.keep = cases[i].keep, .as = CSD_AS_NUMBER};

		run_check_text(&program, ask_filter(given, "", cases[i].operand), cases[i].input, cases[i].out, cases[i].operand, NULL);
	}
}

static void
check_headers(void)
{
	struct csd_filter given = {.keep = CSD_EQUAL, .flags = CSD_FILTER_HEADER}, tabs = given;
	struct result result;
	const struct csd_filter_state *state = (const struct csd_filter_state *)result.state;

	run_check_text(&program, ask_filter(given, "b", "1"), "a,b\r\n1,2\r\n2,1\r\n", "a,b\r\n2,1\r\n", "header", &result);
	CHECK(state->records == 2 && state->kept == 1 && state->field == 1, "header");
	run_check_text(&program, ask_filter(given, "b, \"c\"", "1"), "\n\r\na,\"b, \"\"c\"\"\",b\n1,2\n2,1\n",
		"a,\"b, \"\"c\"\"\",b\n2,1\n", "quotes", NULL);
	run_check_text(&program, ask_filter(given, "a", "1"), "\xef\xbb\xbf" "a,a\n1,2\n2,1\n", "\xef\xbb\xbf" "a,a\n1,2\n",
		"mark, twice", NULL);
	run_check_text(&program, ask_filter(given, "c", "1"), "a,b\n1,2\n2,1\n", "a,b\n", "no such name", &result);
	CHECK(state->missing == 2 && state->field == CSD_FILTER_NOWHERE, "no such name");
	run_check_text(&program, ask_filter(given, "a", "1"), "a", "a", "header alone", NULL);
	run_check_text(&program, ask_filter(given, "a", "1"), "\"a\"b,a\n1,1\n", "\"a\"b,a\n", "malformed header", &result);
	CHECK(state->malformed == 1 && state->missing == 1, "malformed header");
	run_check_text(&program, ask_filter(given, "", "1"), "a\n1\n", "a\n1\n", "no name", NULL);
	tabs.delimiter = '\t';
	run_check_text(&program, ask_filter(tabs, "b,c", "1,5"), "a\tb,c\n1\t2\n2\t1,5\n", "a\tb,c\n2\t1,5\n", "tabs", NULL);
}

static void
check_counts(void)
{
	struct csd_filter given = {.field = 1, .keep = CSD_GREATER, .as = CSD_AS_NUMBER};
	struct result result;
	const struct csd_filter_state *state = (const struct csd_filter_state *)result.state;

	run_check_text(&program, ask_filter(given, "", "5"), "a,6\nb,5\nc\nd,x\n\ne,\"7\"x\nf,\"8", "a,6\n", "counts", &result);
	CHECK(state->records == 6 && state->kept == 1 && state->missing == 1 && state->malformed == 2 && state->not_comparable == 1 &&
	      state->too_long == 0, "records %llu, kept %llu, missing %llu, malformed %llu, not comparable %llu", state->records,
	      state->kept, state->missing, state->malformed, state->not_comparable);
}

/* Records around the longest, with and without quotes; a quote that is never closed. */
static void
check_long_records(void)
{
	static char text[4 * CSD_LINE_BYTES];
	struct csd_filter given = {.field = 1, .keep = CSD_EQUAL};
	struct result result;

	for (uint32_t i = 0; i < 12; i++) {
		uint64_t bytes = CSD_LINE_BYTES - 2 + i / 3;
		struct job job = ask_filter(given, "", "z");

		memset(text, 'x', sizeof(text));
		memcpy(text, "1,z,", 4);
		if (i % 3 > 0) {
			text[4] = '"';
			memset(text + 100, '\n', 3);
			text[bytes - 2] = i % 3 == 1 ? '"' : 'x';
		}
		text[bytes - 1] = '\n';
		memcpy(text + bytes, "2,z\n3,\"z\"\n4,y\n5,z", 17);
		job.input = (const uint8_t *)text;
		job.bytes = bytes + 17;
		run_check(&program, &job, 10, "long records", &result);
		CHECK_EQUAL(((struct csd_filter_state *)result.state)->too_long, i % 3 == 2 || i / 3 == 3);
		free(result.out);
		job.bytes = bytes - (i & 1);
		run_check(&program, &job, 4, "long last record", NULL);
	}
}

int
main(int argc, char **argv)
{
	static const char *const operands[] = {"1e3", "O", "Washington, D.C.", "2500.50", "2026-06-15", "O", "O"};
	static uint8_t input[BYTES];
	struct csd_filter given = {.field = 3, .keep = CSD_GREATER, .as = CSD_AS_NUMBER, .flags = CSD_FILTER_HEADER}, named = given;
	struct job job;

	run_begin(argc, argv);
	check_text();
	check_numbers();
	check_headers();
	check_counts();
	check_long_records();
	check_wrong_filters(&program, given, "");
	named.field = 0;
	check_wrong_filters(&program, named, "amount");
	sample_csv(input, BYTES);
	for (uint32_t i = 0; i < 12; i++) {
		struct csd_filter each = {.field = i % 7, .keep = 1 + i * 5 % 7, .as = i % 7 == 0 || i % 7 == 3, .flags = i & 1};

		job = ask_filter(each, "", operands[i % 7]);
		job.input = input;
		job.bytes = BYTES - i;
		run_check(&program, &job, 2, "orders", NULL);
	}
	job = ask_filter(named, "amount", "4999");
	job.input = input;
	job.bytes = BYTES;
	run_check(&program, &job, 3, "orders by name", NULL);
	/* Quotes and ends of lines anywhere. */
	chance_begin(run_seed(), 4);
	for (uint64_t at = 0; at < BYTES; at++) {
		input[at] = below(40) == 0 ? "\",\n\r"[below(4)] : input[at];
	}
	run_check(&program, &job, 5, "orders, damaged", NULL);
	for (uint64_t at = 0; at < BYTES; at++) {
		input[at] = "\",\n\ra1"[below(6)];
	}
	job = ask_filter((struct csd_filter) {.field = 1, .keep = KEEP_LEAST}, "", "a");
	job.input = input;
	job.bytes = BYTES / 2;
	run_check(&program, &job, 5, "chaos", NULL);
	return run_end(program.name);
}
