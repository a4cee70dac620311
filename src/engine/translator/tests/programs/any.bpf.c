/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * A program for records of any length (test_geometries.c gives it others): all of a record's bytes decide what becomes of it.
 * Of 256 records cparam1 stop the run, cparam2 are kept. The upper bits of the verdict are a position.
 */
#include "csd_bpf.h"

struct any {
	__u8 bytes[24];
};

struct seen {
	__u64 records;
	__u64 hash;
	__u64 longest;		/* of records: shorter ones have zeros behind */
};

CSD_RECORD_STATE(struct any, sizeof(struct any), CSD_EMIT_RECORD, struct seen);

CSD_PROGRAM
int any(const struct any *record)
{
	__u64 hash = 0xcbf29ce484222325ull, bytes = csd_parameters.record_bytes;
	int verdict;

	if (csd_state.longest < bytes)
		csd_state.longest = bytes;
	for (__u64 i = 0; i < csd_state.longest; i++)
		hash = (hash ^ record->bytes[i]) * 0x100000001b3ull;
	csd_state.records++;
	csd_state.hash = csd_state.hash * 31 + hash;
	verdict = (hash >> 40 & 0xff) < csd_parameters.cparam1 ? CSD_STOP : CSD_DROP;
	if ((hash >> 48 & 0xff) < csd_parameters.cparam2)
		verdict |= CSD_KEEP;
	/* Some beyond the input's bytes, which then counts as drop. */
	return verdict | (int)((hash & 0xffffff) % (bytes + 2) << 2);
}
