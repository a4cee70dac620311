/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_copies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"

/* No sum of lengths wraps, and none is above the limit. */
static void
test_limit(void)
{
	struct csd_copies copies = {0};
	uint8_t byte;

	expect("one byte too many", !csd_copies_add(&copies, 0, &byte, CSD_MAX_WRITABLE_BYTES + 1));
	expect("all that a length can say", !csd_copies_add(&copies, 0, &byte, UINT64_MAX));
	expect("what is 0 in 32 bits", !csd_copies_add(&copies, 0, &byte, 1ULL << 32));
	expect("most of it", csd_copies_add(&copies, 0, &byte, CSD_MAX_WRITABLE_BYTES - 4));
	expect("more than the rest", !csd_copies_add(&copies, 1, &byte, 8));
	expect("what would wrap", !csd_copies_add(&copies, 1, &byte, UINT64_MAX - CSD_MAX_WRITABLE_BYTES + 5));
	expect("the rest", csd_copies_add(&copies, 1, &byte, 4));
	expect("nothing is left", !csd_copies_add(&copies, 2, &byte, 4));
	expect("only what was taken", copies.count == 2 && csd_copies_of(&copies, 2) == NULL);
	copies = (struct csd_copies) {0};
	for (uint32_t i = 0; i < CSD_MAX_RANGES; i++) {
		expect("as many as there are", csd_copies_add(&copies, i, &byte, 1));
		expect("apart", csd_copies_of(&copies, i)->at == i * CSD_COPIES_ALIGNMENT);
	}
	expect("no more than there are", !csd_copies_add(&copies, 7, &byte, 1));
	/* Each as much above a multiple as can be: there is room even then. */
	copies = (struct csd_copies) {0};
	for (uint32_t i = 0; i < CSD_MAX_RANGES; i++) {
		uint64_t length = i + 1 < CSD_MAX_RANGES ? 1 : CSD_MAX_WRITABLE_BYTES - copies.bytes;

		expect("all of the limit", csd_copies_add(&copies, i, &byte, length));
	}
	expect("in the room", copies.room <= CSD_COPIES_ROOM);
}

/* There and back, slice by slice: as it was, and nothing besides. */
static void
test_moves(void)
{
	static const uint64_t lengths[] = {4, CSD_COPIES_SLICE - 4, 0, CSD_COPIES_SLICE, 300000, 64};
	uint8_t *slm = malloc(CSD_MAX_WRITABLE_BYTES), *room = calloc(1, CSD_COPIES_ROOM), *before = malloc(CSD_MAX_WRITABLE_BYTES);
	struct csd_copies copies = {0};
	uint64_t at = 8;
	unsigned slices;

	if (slm == NULL || room == NULL || before == NULL) {
		exit(1);
	}
	for (uint64_t i = 0; i < CSD_MAX_WRITABLE_BYTES; i++) {
		slm[i] = (uint8_t)(i * 31 + i / 251);
	}
	memcpy(before, slm, CSD_MAX_WRITABLE_BYTES);
	for (uint32_t i = 0; i < CSD_MAX_RANGES; at += lengths[i] + 8, i++) {
		expect("there is room", csd_copies_add(&copies, i, slm + at, lengths[i]));
	}
	for (slices = 1; csd_copies_move(&copies, room, false); slices++) {
		expect("it ends", slices < 100);
	}
	expect("as many slices as it takes", slices == (copies.bytes + CSD_COPIES_SLICE - 1) / CSD_COPIES_SLICE);
	for (uint32_t i = 0; i < CSD_MAX_RANGES; i++) {
		const struct csd_copy *copy = csd_copies_of(&copies, i);

		expect("a copy", copy->length == lengths[i] && memcmp(room + copy->at, copy->range, lengths[i]) == 0);
		memset(room + copy->at, (int)i + 1, lengths[i]);
	}
	expect("the ranges are as they were", memcmp(slm, before, CSD_MAX_WRITABLE_BYTES) == 0);
	while (csd_copies_move(&copies, room, true)) {
	}
	for (uint32_t i = 0, k = 0; i < CSD_MAX_RANGES; i++) {
		const struct csd_copy *copy = csd_copies_of(&copies, i);

		for (; k < copy->range - slm; k++) {
			expect("between them it is as it was", slm[k] == before[k]);
		}
		for (; k < copy->range - slm + lengths[i]; k++) {
			expect("in them it is what was written", slm[k] == i + 1);
		}
	}
	expect("behind them it is as it was", memcmp(slm + at, before + at, CSD_MAX_WRITABLE_BYTES - at) == 0);
	copies = (struct csd_copies) {0};
	expect("nothing at all is done at once", !csd_copies_move(&copies, NULL, false));
	free(slm);
	free(room);
	free(before);
}

int
main(void)
{
	test_limit();
	test_moves();
	printf("csd_copies: %u checks\n", g_checks);
	return 0;
}
