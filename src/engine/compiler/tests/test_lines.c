/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The table of lines, from texts as objdump and addr2line write them, and from others. */
#include <errno.h>

#include "chance.h"
#include "csd_lines.h"
#include "test.h"

#define NONE	CSD_BLOB_NO_INSTRUCTION

static int
read_text(const char *text, struct csd_lines *lines)
{
	FILE *in = fmemopen((void *)text, strlen(text), "r");
	int rc = csd_lines_read(in, lines);

	fclose(in);
	return rc;
}

static void
answer_text(const char *text, struct csd_lines *lines)
{
	FILE *in = fmemopen((void *)text, strlen(text), "r");

	csd_lines_answer(lines, in);
	fclose(in);
}

static void
expect(const struct csd_lines *lines, const struct csd_blob_line *wanted, uint32_t count)
{
	CHECK_EQUAL(lines->count, count);
	for (uint32_t i = 0; i < count; i++) {
		CHECK(lines->lines[i].address == wanted[i].address && lines->lines[i].instruction == wanted[i].instruction,
		      "line %u: %#x is of instruction %u", i, lines->lines[i].address, lines->lines[i].instruction);
	}
}

static const char listing[] =
	"\nprogram.elf:     file format elf64-x86-64\n\nContents of the .debug_line section:\n\n"
	"program.c:\nFile name                            Line number    Starting address    View    Stmt\n"
	"drive                                          3        0x1000000060               x\n\n"
	"/tmp/x/program.c:\n"
	"program.c                                    144        0x1000000069               x\n"
	"program.c                                    145        0x1000000083               x\n\n"
	"/tmp/x/ebpf:\n"
	"ebpf                                           7        0x1000000090               x\n"
	"ebpf                                           7        0x1000000094\n"
	"program.c                                     12        0x1000000098               x\n"
	"ebpf                                           8        0x1000000098       1       x\n"
	"program.c                                      -        0x10000000a0\n\n"
	/* Another piece, in front of the first. */
	"ebpf                                           1        0x1000000050               x\n"
	"program.c                                     99        0x1000000058               x\n"
	/* Not in the code: data, and what is none. */
	"ebpf                                           2        0x1040000000               x\n"
	"ebpf                                           2        0x10\n"
	"ebpf                                           0        0x1000000059\n";

static const char answers[] =
	"0x0000001000000058\n/tmp/x/program.c:99\n"
	"0x0000001000000059\n??:0\n"
	"0x0000001000000069\n/tmp/x/program.c:144 (discriminator 3)\n/tmp/x/ebpf:6\n/tmp/x/drive:4\n"
	"0x0000001000000083\n/tmp/x/program.c:145\n/tmp/x/ebpf:6 (discriminator 1)\n/tmp/x/ebpf:3\n";

static void
check_table(void)
{
	static const struct csd_blob_line wanted[] = {
		{0x50, 0}, {0x58, NONE}, {0x69, 5}, {0x90, 6}, {0x98, 7},
	};
	struct csd_lines lines;
	char asked[512] = "";
	FILE *out;

	CHECK_EQUAL(read_text(listing, &lines), 0);
	CHECK_EQUAL(lines.unknown, 4);
	out = fmemopen(asked, sizeof(asked), "w");
	csd_lines_ask(&lines, out);
	fclose(out);
	CHECK(strcmp(asked, "0x1000000058\n0x1000000059\n0x1000000069\n0x1000000083\n") == 0, "%s", asked);
	answer_text(answers, &lines);
	CHECK_EQUAL(csd_lines_finish(&lines), 0);
	expect(&lines, wanted, sizeof(wanted) / sizeof(wanted[0]));
	free(lines.lines);
	/* No answer: none of the prelude's is an instruction's. */
	CHECK_EQUAL(read_text(listing, &lines), 0);
	answer_text("0x0000001000000069\n", &lines);
	CHECK_EQUAL(csd_lines_finish(&lines), 0);
	CHECK_EQUAL(lines.count, 4);
	free(lines.lines);
}

static void
check_none(void)
{
	struct csd_lines lines;

	CHECK_EQUAL(read_text("\n", &lines), -EINVAL);
	CHECK_EQUAL(read_text("program.elf:     file format elf64-x86-64\n", &lines), -EINVAL);
	CHECK_EQUAL(read_text("ebpf 1 0x1050000000\n", &lines), -EINVAL);
}

/* As many as there may be, and one more; then more rows than are read at all. */
static void
check_many(void)
{
	struct csd_lines lines;
	FILE *file = tmpfile();
	uint32_t at;

	for (at = 0; at < CSD_BLOB_MAX_LINES; at++) {
		fprintf(file, "ebpf %u 0x%llx\n", 1 + at % 2, CSD_BLOB_CODE + at * 2);
	}
	rewind(file);
	CHECK_EQUAL(csd_lines_read(file, &lines), 0);
	CHECK_EQUAL(csd_lines_finish(&lines), 0);
	CHECK_EQUAL(lines.count, CSD_BLOB_MAX_LINES);
	free(lines.lines);
	fseek(file, 0, SEEK_END);
	fprintf(file, "ebpf %u 0x%llx\n", 1 + at % 2, CSD_BLOB_CODE + at * 2);
	rewind(file);
	CHECK_EQUAL(csd_lines_read(file, &lines), 0);
	CHECK_EQUAL(csd_lines_finish(&lines), -EFBIG);
	free(lines.lines);
	fclose(file);
}

/* The texts with characters changed: whatever they say, the table is sorted and has no instruction that no program has. */
static void
check_mutants(void)
{
	char text[2][2048];

	for (int i = 0; i < 20000; i++) {
		struct csd_lines lines;

		chance_begin(3, i);
		strcpy(text[0], listing);
		strcpy(text[1], answers);
		for (uint64_t changes = below(8); changes > 0; changes--) {
			char *changed = text[below(2)];

			changed[below(strlen(changed))] = below(2) ? "0123456789abcdefx:/\n -"[below(22)] : (char)(1 + below(255));
		}
		if (read_text(text[0], &lines) == 0) {
			answer_text(text[1], &lines);
			CHECK_EQUAL(csd_lines_finish(&lines), 0);
			for (uint32_t k = 0; k < lines.count; k++) {
				CHECK(lines.lines[k].address < CSD_BLOB_MAX_CODE, "mutant %d: address %#x", i, lines.lines[k].address);
				CHECK(k == 0 || lines.lines[k].address > lines.lines[k - 1].address, "mutant %d: line %u", i, k);
				CHECK(lines.lines[k].instruction != NONE - 1, "mutant %d: line %u is not answered", i, k);
			}
		}
		free(lines.lines);
	}
}

int
main(void)
{
	check_table();
	check_none();
	check_many();
	check_mutants();
	printf("test_lines: passed\n");
	return 0;
}
