/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Where a run's result goes: memory in one or several pieces, such as a request's buffers. */
#ifndef CSD_OUTPUT_H
#define CSD_OUTPUT_H

#include <stdint.h>
#include <sys/uio.h>

struct csd_output {
	const struct iovec *iov;
	int iovcnt;
	uint64_t size;
	uint64_t used;
};

/* Writes at a fixed place, whatever pieces it lies in; nothing behind the end. */
void csd_output_write(struct csd_output *output, uint64_t offset, const void *bytes, uint64_t length);

#endif
