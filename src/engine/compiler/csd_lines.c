/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "csd_lines.h"

/* Before neighbours are taken together. The listing has some 70 bytes for each. */
#define MOST_ROWS	(4 * CSD_BLOB_MAX_LINES)

/* In the prelude; no program has so many instructions. */
#define UNKNOWN		(CSD_BLOB_NO_INSTRUCTION - 1)

struct row {
	uint32_t address, order, instruction;
};

struct rows {
	struct row *rows;
	uint32_t count, room;
};

static int
lines_add(struct rows *rows, unsigned long long address, uint32_t instruction)
{
	if (address < CSD_BLOB_CODE || address - CSD_BLOB_CODE >= CSD_BLOB_MAX_CODE) {
		return 0;
	}
	if (rows->count == rows->room) {
		uint32_t room = rows->room * 2 + 1024;
		struct row *grown = room > MOST_ROWS ? NULL : realloc(rows->rows, room * sizeof(*grown));

		if (grown == NULL) {
			return room > MOST_ROWS ? -EFBIG : -ENOMEM;
		}
		rows->rows = grown;
		rows->room = room;
	}
	rows->rows[rows->count] = (struct row) {address - CSD_BLOB_CODE, rows->count, instruction};
	rows->count++;
	return 0;
}

static uint32_t
lines_instruction(const char *file, unsigned long number)
{
	if (strcmp(file, "ebpf") == 0 && number > 0 && number - 1 < UNKNOWN) {
		return number - 1;
	}
	return strcmp(file, "drive") == 0 ? CSD_BLOB_NO_INSTRUCTION : UNKNOWN;
}

/* By address; of one address in the order in which they came. */
static int
lines_compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->address != y->address) {
		return x->address < y->address ? -1 : 1;
	}
	return (x->order > y->order) - (x->order < y->order);
}

/* Of several at one address the last stands: the others have no code. */
static int
lines_take(struct rows *rows, struct csd_lines *lines)
{
	qsort(rows->rows, rows->count, sizeof(rows->rows[0]), lines_compare);
	lines->lines = malloc(rows->count * sizeof(lines->lines[0]));
	if (lines->lines == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < rows->count; i++) {
		const struct row *row = &rows->rows[i];

		if (i + 1 == rows->count || rows->rows[i + 1].address != row->address) {
			lines->lines[lines->count++] = (struct csd_blob_line) {row->address, row->instruction};
			lines->unknown += row->instruction == UNKNOWN;
		}
	}
	return 0;
}

int
csd_lines_read(FILE *in, struct csd_lines *lines)
{
	struct rows rows = {.rows = NULL};
	char line[512], file[64];
	unsigned long long address;
	unsigned int number;
	int rc = 0;

	*lines = (struct csd_lines) {.lines = NULL};
	/* ebpf                                           7        0x100000006a               x */
	while (rc == 0 && fgets(line, sizeof(line), in) != NULL) {
		if (sscanf(line, "%63s %u 0x%llx", file, &number, &address) == 3) {
			rc = lines_add(&rows, address, lines_instruction(file, number));
		}
	}
	if (rc == 0) {
		rc = rows.count == 0 ? -EINVAL : lines_take(&rows, lines);
	}
	free(rows.rows);
	return rc;
}

void
csd_lines_ask(const struct csd_lines *lines, FILE *out)
{
	for (uint32_t i = 0; i < lines->count; i++) {
		if (lines->lines[i].instruction == UNKNOWN) {
			fprintf(out, "%#llx\n", CSD_BLOB_CODE + lines->lines[i].address);
		}
	}
}

/* Behind an address, from the innermost function outwards: /folder/program.c:144, /folder/ebpf:6, /folder/drive:4 */
void
csd_lines_answer(struct csd_lines *lines, FILE *in)
{
	struct csd_blob_line *asked = NULL;
	uint32_t at = 0;
	char line[512];

	while (fgets(line, sizeof(line), in) != NULL) {
		unsigned long long address = strtoull(line, NULL, 16);
		char *file = strrchr(line, '/');
		char *number = strrchr(line, ':');

		if (strncmp(line, "0x", 2) == 0) {
			while (at < lines->count && CSD_BLOB_CODE + lines->lines[at].address < address) {
				at++;
			}
			asked = at < lines->count && CSD_BLOB_CODE + lines->lines[at].address == address ? &lines->lines[at] : NULL;
		} else if (asked != NULL && asked->instruction == UNKNOWN && file != NULL && number != NULL && number > file) {
			*number = '\0';
			asked->instruction = lines_instruction(file + 1, strtoul(number + 1, NULL, 10));
		}
	}
	for (uint32_t i = 0; i < lines->count; i++) {
		if (lines->lines[i].instruction == UNKNOWN) {
			lines->lines[i].instruction = CSD_BLOB_NO_INSTRUCTION;
		}
	}
	lines->unknown = 0;
}

int
csd_lines_finish(struct csd_lines *lines)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < lines->count; i++) {
		if (kept == 0 || lines->lines[kept - 1].instruction != lines->lines[i].instruction) {
			lines->lines[kept++] = lines->lines[i];
		}
	}
	lines->count = kept;
	return kept <= CSD_BLOB_MAX_LINES ? 0 : -EFBIG;
}
