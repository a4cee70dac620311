/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "csd_blob.h"
#include "csd_bpf.h"

/* Whether `bytes` from `address` on lie in `length` from `begin` on; no sum, which could wrap. */
static bool
blob_inside(uint64_t address, uint64_t bytes, uint64_t begin, uint64_t length)
{
	return address >= begin && address - begin <= length && bytes <= length - (address - begin);
}

static bool
blob_is_whole(uint64_t bytes)
{
	return bytes % CSD_BLOB_PAGE == 0;
}

/* What outlives a run is a piece of the data that begin as zeros. */
static bool
blob_keeps(const struct csd_blob_header *header)
{
	if (header->kept == 0) {
		return header->kept_bytes == 0;
	}
	return header->kept_bytes <= CSD_MAX_KEPT_BYTES && blob_inside(header->kept, header->kept_bytes, CSD_BLOB_DATA + header->data_given,
								       header->data_bytes - header->data_given);
}

int
csd_blob_check(const void *bytes, size_t length, struct csd_blob_header *header)
{
	if (length < sizeof(*header)) {
		return -EINVAL;
	}
	memcpy(header, bytes, sizeof(*header));
	if (memcmp(header->magic, CSD_BLOB_MAGIC, sizeof(header->magic)) != 0) {
		return -EINVAL;
	}
	if (header->code_bytes < sizeof(*header) || header->code_bytes > CSD_BLOB_MAX_CODE || header->code_bytes > length ||
	    !blob_is_whole(header->code_bytes)) {
		return -EINVAL;
	}
	if (header->data_bytes > CSD_BLOB_MAX_DATA || !blob_is_whole(header->data_bytes) ||
	    header->data_given > header->data_bytes || header->data_given > length - header->code_bytes) {
		return -EINVAL;
	}
	if (!blob_inside(header->entry, 1, CSD_BLOB_CODE + sizeof(*header), header->code_bytes - sizeof(*header)) ||
	    (header->parameters != 0 && !blob_inside(header->parameters, sizeof(struct csd_parameters), CSD_BLOB_DATA,
						     header->data_bytes)) ||
	    (header->state != 0 && !blob_inside(header->state, 1, CSD_BLOB_DATA, header->data_bytes)) || !blob_keeps(header)) {
		return -EINVAL;
	}
	if (header->line_count > CSD_BLOB_MAX_LINES || header->lines_at % 8 != 0 ||
	    !blob_inside(header->lines_at, header->line_count * sizeof(struct csd_blob_line), 0, length)) {
		return -EINVAL;
	}
	return 0;
}

static struct csd_blob_line
blob_line(const void *bytes, const struct csd_blob_header *header, uint64_t index)
{
	struct csd_blob_line line;

	memcpy(&line, (const uint8_t *)bytes + header->lines_at + index * sizeof(line), sizeof(line));
	return line;
}

int64_t
csd_blob_instruction(const void *bytes, const struct csd_blob_header *header, uint64_t address)
{
	uint64_t low = 0, high = header->line_count;
	struct csd_blob_line line;

	if (!blob_inside(address, 1, CSD_BLOB_CODE, header->code_bytes)) {
		return -1;
	}
	/* The first line behind the address; a table that is not sorted gives another line, and no more. */
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (blob_line(bytes, header, middle).address <= address - CSD_BLOB_CODE) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low == 0) {
		return -1;
	}
	line = blob_line(bytes, header, low - 1);
	return line.instruction == CSD_BLOB_NO_INSTRUCTION ? -1 : (int64_t)line.instruction;
}
