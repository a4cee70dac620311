/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "csd_lines.h"

/* Before what follows from the same instruction is taken together: a line takes gcc's own listing some 70 bytes. */
#define MOST_ROWS	(16U << 20)

struct row {
	uint32_t address, order, instruction;
};

struct rows {
	struct row *rows;
	uint32_t count, room;
};

static int
lines_add(struct rows *rows, unsigned long long address, uint32_t order, uint32_t instruction)
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
	rows->rows[rows->count++] = (struct row) {address - CSD_BLOB_CODE, order, instruction};
	return 0;
}

static int
lines_read_one(struct rows *rows, const char *line)
{
	unsigned long long address;
	unsigned int number;
	char file[64];

	/* 0000001000000100 g     F .code	00000000000000e2 .protected csd_0_program */
	if (strstr(line, " F .code\t") != NULL) {
		return lines_add(rows, strtoull(line, NULL, 16), 0, CSD_BLOB_NO_INSTRUCTION);
	}
	/* ebpf                                           7        0x100000006a               x */
	if (sscanf(line, "%63s %u 0x%llx", file, &number, &address) != 3) {
		return 0;
	}
	if (strcmp(file, "ebpf") == 0 && number > 0) {
		return lines_add(rows, address, rows->count + 1, number - 1);
	}
	return strcmp(file, "drive") == 0 ? lines_add(rows, address, rows->count + 1, CSD_BLOB_NO_INSTRUCTION) : 0;
}

static int
lines_compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->address != y->address) {
		return x->address < y->address ? -1 : 1;
	}
	return (x->order > y->order) - (x->order < y->order);
}

/* Of several at one address the last stands; of neighbours for the same instruction the first. */
static int
lines_take(struct rows *rows, struct csd_lines *out)
{
	qsort(rows->rows, rows->count, sizeof(rows->rows[0]), lines_compare);
	out->lines = malloc(rows->count * sizeof(out->lines[0]));
	if (out->lines == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < rows->count; i++) {
		const struct row *row = &rows->rows[i];

		if (i + 1 < rows->count && rows->rows[i + 1].address == row->address) {
			continue;
		}
		if (out->count > 0 && out->lines[out->count - 1].instruction == row->instruction) {
			continue;
		}
		out->lines[out->count++] = (struct csd_blob_line) {row->address, row->instruction};
	}
	return out->count <= CSD_BLOB_MAX_LINES ? 0 : -EFBIG;
}

int
csd_lines_read(FILE *in, struct csd_lines *out)
{
	struct rows rows = {.rows = NULL};
	char line[512];
	int rc = 0;

	*out = (struct csd_lines) {.lines = NULL};
	/* A line that is longer is read as several: none of those says anything. */
	while (rc == 0 && fgets(line, sizeof(line), in) != NULL) {
		rc = lines_read_one(&rows, line);
	}
	if (rc == 0) {
		rc = rows.count == 0 ? -EINVAL : lines_take(&rows, out);
	}
	free(rows.rows);
	if (rc != 0) {
		free(out->lines);
		*out = (struct csd_lines) {.lines = NULL};
	}
	return rc;
}
