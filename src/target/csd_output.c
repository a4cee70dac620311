/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_output.h"

#include <string.h>

/* The piece with this byte, and how much of it follows from there. */
static uint8_t *
output_locate(const struct csd_output *output, uint64_t offset, uint64_t *left)
{
	int i;

	for (i = 0; i < output->iovcnt; i++) {
		if (offset < output->iov[i].iov_len) {
			*left = output->iov[i].iov_len - offset;
			return (uint8_t *)output->iov[i].iov_base + offset;
		}
		offset -= output->iov[i].iov_len;
	}
	*left = 0;
	return NULL;
}

void
csd_output_write(struct csd_output *output, uint64_t offset, const void *bytes, uint64_t length)
{
	const uint8_t *from = bytes;
	uint64_t left;
	uint8_t *to;

	for (; length > 0; from += left, offset += left, length -= left) {
		to = output_locate(output, offset, &left);
		if (to == NULL) {
			return;	/* behind the end */
		}
		left = left < length ? left : length;
		memcpy(to, from, left);
	}
}
