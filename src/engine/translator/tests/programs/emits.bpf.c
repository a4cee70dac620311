/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A program that emits by itself: none, one or several pieces of a record. */
#include "csd_bpf.h"

struct entry {
	__u8 length;
	__u8 what;
	__u8 text[30];
};

struct counts {
	__u64 records;
	__u64 pieces;
	__u64 bytes;
};

CSD_RECORD_STATE(struct entry, sizeof(struct entry), CSD_EMIT_NOTHING, struct counts);

CSD_PROGRAM
int emits(const struct entry *entry)
{
	__u64 length = entry->length % 28, pieces = entry->what & 3;

	for (__u64 i = 0; i < pieces; i++) {
		if (csd_emit(entry->text + i, length) != 0)
			return CSD_KEEP_AND_STOP;	/* which does not count: the drive shows this record again */
	}
	csd_state.records++;
	csd_state.pieces += pieces;
	csd_state.bytes += pieces * length;
	return entry->what > 252 ? CSD_KEEP_AND_STOP : entry->what & 1;
}
