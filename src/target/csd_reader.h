/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Reads the data namespace for a scan, as a row of windows: contiguous memory that holds a part of the input. Two at a
 * time, so that one is read while the program runs over the other. Where the bdev has zero copy nothing is
 * copied.
 *
 * Windows overlap by a little less than a record (and up to a block): so a record that begins in one window and does
 * not end in it lies wholly in the next, and none has to be put together from two.
 */
#ifndef CSD_READER_H
#define CSD_READER_H

#include "spdk/stdinc.h"
#include "spdk/bdev.h"

struct csd_window {
	const uint8_t *bytes;
	uint64_t offset;	/* in the input */
	uint64_t length;
};

struct csd_reader;

/* Memory for reading into, kept from one reader of a thread to the next: to allocate it takes longer than a small scan. */
#define CSD_READER_KEPT	4
struct csd_reader_buffers {
	uint8_t *kept[CSD_READER_KEPT];
	uint32_t count;
};
void csd_reader_buffers_free(struct csd_reader_buffers *buffers);

struct csd_reader_options {
	struct spdk_bdev_desc *desc;
	struct spdk_io_channel *channel;
	uint64_t first;		/* byte in the bdev */
	uint64_t length;	/* > 0; the range lies within the bdev */
	uint32_t record_bytes;
	/* Something changed: the window that was waited for is there, or an error, or the reader is closed. Never called
	 * from within a function of this file. */
	void (*notify)(void *ctx);
	void *ctx;
	struct csd_reader_buffers *buffers;	/* of this thread */
};

/* Begins to read. NULL: no memory. */
struct csd_reader *csd_reader_open(const struct csd_reader_options *options);

/* The window at hand; false: it is still being read. */
bool csd_reader_window(struct csd_reader *reader, struct csd_window *window);
/* That window is used up; the next one is at hand. */
void csd_reader_advance(struct csd_reader *reader);

/* True after an error of the bdev, in the terms of NVMe. */
bool csd_reader_failed(const struct csd_reader *reader, int *status_code_type, int *status_code);

/* True: all I/O is over, and the reader freed. False: call it again on the next notification. */
bool csd_reader_close(struct csd_reader *reader);

#endif
