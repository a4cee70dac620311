/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Where a run's result goes: memory in one or several pieces (a request's buffers), into which the engine, which wants
 * room in one piece, emits items directly. Only an item that lies across the border of two pieces is copied.
 */
#ifndef CSD_OUTPUT_H
#define CSD_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct csd_output {
	const struct iovec *iov;
	int iovcnt;
	uint64_t size;
	uint64_t used;
	uint8_t *bounce;	/* holds one item; needed for several pieces */
	bool bounced;
};

/* Contiguous room for at least one item of `item_bytes`; 0: there is none left. Then tell how much of it was used. */
uint64_t csd_output_room(struct csd_output *output, uint32_t item_bytes, uint8_t **room);
void csd_output_took(struct csd_output *output, uint64_t bytes);

/* Writes at a fixed place, wherever the items are; nothing behind the end. */
void csd_output_write(struct csd_output *output, uint64_t offset, const void *bytes, uint64_t length);

#endif
