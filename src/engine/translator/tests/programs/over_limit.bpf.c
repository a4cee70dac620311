/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A loop that stays one: how many values of a row exceed cparam1. */
#include "csd_bpf.h"

#define COLUMNS	16

struct sheet_row {
	__u32 cell[COLUMNS];
};

struct exceeding {
	__u64 cells;
};

CSD_RECORD_STATE(struct sheet_row, sizeof(struct sheet_row), CSD_EMIT_NOTHING, struct exceeding);

CSD_PROGRAM
int over_limit(const struct sheet_row *row)
{
	__u64 limit = csd_parameters.cparam1;

	for (__u32 column = 0; column < COLUMNS; column++)
		csd_state.cells += row->cell[column] > limit;
	return CSD_DROP;
}
