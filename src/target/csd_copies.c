/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_copies.h"

#include <stddef.h>
#include <string.h>

bool
csd_copies_add(struct csd_copies *copies, uint32_t number, uint8_t *range, uint64_t length)
{
	/* By what is left: a length comes from a host, and no sum may wrap. */
	if (copies->count == CSD_MAX_RANGES || length > CSD_MAX_WRITABLE_BYTES - copies->bytes) {
		return false;
	}
	copies->copy[copies->count++] = (struct csd_copy) {number, range, length, copies->room};
	copies->bytes += length;
	copies->room += (length + CSD_COPIES_ALIGNMENT - 1) / CSD_COPIES_ALIGNMENT * CSD_COPIES_ALIGNMENT;
	return true;
}

const struct csd_copy *
csd_copies_of(const struct csd_copies *copies, uint32_t number)
{
	for (uint32_t i = 0; i < copies->count; i++) {
		if (copies->copy[i].number == number) {
			return &copies->copy[i];
		}
	}
	return NULL;
}

bool
csd_copies_move(struct csd_copies *copies, uint8_t *room, bool back)
{
	for (uint64_t left = CSD_COPIES_SLICE; copies->next < copies->count; copies->next++, copies->done = 0) {
		const struct csd_copy *copy = &copies->copy[copies->next];
		uint64_t more = copy->length - copies->done, bytes = more < left ? more : left;
		uint8_t *own = room + copy->at + copies->done, *range = copy->range + copies->done;

		memcpy(back ? range : own, back ? own : range, bytes);
		copies->done += bytes;
		left -= bytes;
		if (bytes < more) {
			return true;
		}
	}
	copies->next = 0;
	return false;
}
