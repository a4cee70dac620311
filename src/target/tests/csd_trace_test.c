/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_trace.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"

static void
add(struct csd_trace *trace, const char *text)
{
	csd_trace_add(trace, (const uint8_t *)text, strlen(text), 0);
}

/* Reads from `from`, and expects this text and so much missed. */
static uint64_t
expect_text(const struct csd_trace *trace, uint64_t from, const char *wanted, uint64_t missed)
{
	static char text[CSD_TRACE_BYTES + 1];
	uint64_t next, gone;

	csd_trace_read(trace, from, text, &next, &gone);
	g_checks++;
	if (strcmp(text, wanted) != 0 || gone != missed || next != trace->written) {
		fprintf(stderr, "'%s', %lu missed, instead of '%s', %lu\n", text, gone, wanted, missed);
		exit(1);
	}
	return next;
}

static void
test_lines(void)
{
	static struct csd_trace trace;
	uint64_t next = expect_text(&trace, 0, "", 0);

	add(&trace, "one\n");
	next = expect_text(&trace, next, "one\n", 0);
	expect_text(&trace, next, "", 0);
	add(&trace, "two\nthree");	/* cut off by a fault */
	add(&trace, "");
	expect_text(&trace, next, "two\nthree\n", 0);
	expect_text(&trace, 2, "e\ntwo\nthree\n", 0);
	csd_trace_clear(&trace);
	next = expect_text(&trace, next, "", 10);
	add(&trace, "four\n");
	expect_text(&trace, next, "four\n", 0);
	expect_text(&trace, 0, "four\n", 14);
	/* Who read another target's, which had written more. */
	expect_text(&trace, 1000, "four\n", 0);
	csd_trace_add(&trace, NULL, 0, 7);
	csd_trace_add(&trace, (const uint8_t *)"x", 1, 5);
	expect("lost", trace.lost == 12);
}

static void
test_bytes(void)
{
	static struct csd_trace trace;
	char wanted[8];
	uint64_t next = 0;

	for (int byte = 0; byte < 256; byte++) {
		uint8_t given[2] = {(uint8_t)byte, '\n'};
		bool plain = byte == '\n' || (byte >= ' ' && byte <= '~' && byte != '\\');

		snprintf(wanted, sizeof(wanted), plain ? "%c\n" : "\\x%02x\n", byte);
		csd_trace_add(&trace, given, 2, 0);
		next = expect_text(&trace, next, wanted, 0);
	}
}

/* As a plain text of which the end is kept. */
static void
test_round(void)
{
	static struct csd_trace trace;
	static char all[1 << 20], line[200];
	size_t length = 0;
	uint32_t state = 1;

	while (length < sizeof(all) - sizeof(line)) {
		uint64_t from, oldest;
		int bytes;

		state = state * 1103515245 + 12345;
		bytes = snprintf(line, sizeof(line), "%0*u\n", (int)(state >> 16) % 150 + 1, state);
		csd_trace_add(&trace, (const uint8_t *)line, (size_t)bytes, 0);
		memcpy(all + length, line, (size_t)bytes + 1);
		length += (size_t)bytes;
		oldest = length > CSD_TRACE_BYTES ? length - CSD_TRACE_BYTES : 0;
		expect_text(&trace, 0, all + oldest, oldest);
		from = oldest + state % (length - oldest + 1);
		expect_text(&trace, from, all + from, 0);
	}
	/* More at once than there is room for. */
	memset(all, 'a', sizeof(all));
	csd_trace_add(&trace, (const uint8_t *)all, 3 * CSD_TRACE_BYTES, 0);
	all[CSD_TRACE_BYTES - 1] = '\n';
	all[CSD_TRACE_BYTES] = '\0';
	expect_text(&trace, trace.written - CSD_TRACE_BYTES, all, 0);
}

int
main(void)
{
	test_lines();
	test_bytes();
	test_round();
	printf("csd_trace: %u checks\n", g_checks);
	return 0;
}
