/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_reader.h"

#include "spdk/bdev_module.h"
#include "spdk/env.h"
#include "spdk/util.h"

#include "csd_notice.h"
#include "csd_ram.h"

/*
 * Zero copy costs nothing, and every change of windows a trip through the thread's messages. Memory that is read into
 * should still be in the second-level cache when the program comes to it.
 */
#define ZERO_COPY_BYTES	(4u << 20)
#define READ_BYTES	(512u << 10)
#define PIECES		2
#define KEPT_ALIGN	4096

enum piece_state {
	PIECE_FREE,
	PIECE_BUSY,	/* an I/O is under way */
	PIECE_READY,
};

struct piece {
	struct csd_reader *reader;
	enum piece_state state;
	uint64_t start;			/* byte in the bdev, of a block */
	uint64_t length;		/* whole blocks */
	const uint8_t *bytes;
	uint8_t *buffer;		/* of our own, where the bdev has no zero copy */
	bool kept;			/* that one is of READ_BYTES, to be used again */
	struct spdk_bdev_io *zero_copy_io;
	struct spdk_bdev_io_wait_entry wait;
};

/* Pieces are read, and used, in turn. */
struct csd_reader {
	struct csd_reader_options options;
	struct spdk_bdev *bdev;
	uint32_t block_bytes;
	uint32_t piece_bytes;
	bool zero_copy;
	bool closing;
	bool failed;
	int status_code_type;
	int status_code;
	uint64_t ahead;			/* byte in the bdev from which the next piece is to be read */
	struct piece piece[PIECES];
	uint32_t current;		/* that is used, or will be next */
	uint32_t next;			/* that is read into next */
};

static void csd_reader_read_piece(struct piece *piece);

void
csd_reader_buffers_free(struct csd_reader_buffers *buffers)
{
	while (buffers->count > 0) {
		spdk_dma_free(buffers->kept[--buffers->count]);
	}
}

static uint8_t *
csd_reader_take_buffer(struct csd_reader *reader, struct piece *piece)
{
	struct csd_reader_buffers *buffers = reader->options.buffers;
	size_t align = spdk_bdev_get_buf_align(reader->bdev);

	piece->kept = reader->piece_bytes <= READ_BYTES && align <= KEPT_ALIGN;
	if (!piece->kept) {
		return spdk_dma_malloc(spdk_min(reader->piece_bytes, reader->options.length + 2ull * reader->block_bytes), align,
				       NULL);
	}
	return buffers->count > 0 ? buffers->kept[--buffers->count] : spdk_dma_malloc(READ_BYTES, KEPT_ALIGN, NULL);
}

static void
csd_reader_put_buffer(struct csd_reader *reader, struct piece *piece)
{
	struct csd_reader_buffers *buffers = reader->options.buffers;

	if (piece->buffer != NULL && piece->kept && buffers->count < CSD_READER_KEPT) {
		buffers->kept[buffers->count++] = piece->buffer;
	} else {
		spdk_dma_free(piece->buffer);
	}
}

static uint64_t
csd_reader_end_of(const struct csd_reader *reader)
{
	return reader->options.first + reader->options.length;
}

static void
csd_reader_notify(struct csd_reader *reader)
{
	reader->options.notify(reader->options.ctx);
}

static void
csd_reader_fail(struct csd_reader *reader, int status_code_type, int status_code)
{
	if (!reader->failed) {
		reader->failed = true;
		reader->status_code_type = status_code_type;
		reader->status_code = status_code;
	}
}

static void
csd_reader_fail_piece(struct piece *piece, int status_code_type, int status_code)
{
	piece->state = PIECE_FREE;
	csd_reader_fail(piece->reader, status_code_type, status_code);
}

/* Reads on, into every piece that is free. */
static void
csd_reader_read_ahead(struct csd_reader *reader)
{
	uint64_t end = csd_reader_end_of(reader), stop;

	while (!reader->closing && !reader->failed && reader->ahead < end &&
	       reader->piece[reader->next].state == PIECE_FREE) {
		struct piece *piece = &reader->piece[reader->next];

		reader->next = (reader->next + 1) % PIECES;
		piece->start = reader->ahead - reader->ahead % reader->block_bytes;
		stop = spdk_min(piece->start + reader->piece_bytes,
				SPDK_CEIL_DIV(end, reader->block_bytes) * reader->block_bytes);
		piece->length = stop - piece->start;
		/* A record that begins before this ends in this piece, and will have been seen. */
		reader->ahead = stop >= end ? end : stop - reader->options.record_bytes + 1;
		piece->state = PIECE_BUSY;
		csd_reader_read_piece(piece);
	}
}

static void
csd_reader_released(struct spdk_bdev_io *bdev_io, bool success, void *ctx)
{
	struct piece *piece = ctx;

	(void)success;
	spdk_bdev_free_io(bdev_io);
	piece->state = PIECE_FREE;
	csd_reader_read_ahead(piece->reader);
	csd_reader_notify(piece->reader);
}

static void
csd_reader_release(struct piece *piece)
{
	struct spdk_bdev_io *bdev_io = piece->zero_copy_io;

	if (bdev_io == NULL) {
		piece->state = PIECE_FREE;
		return;
	}
	piece->zero_copy_io = NULL;
	piece->state = PIECE_BUSY;
	if (spdk_bdev_zcopy_end(bdev_io, false, csd_reader_released, piece) != 0) {
		/* There will be no completion: the buffer is released with the I/O itself. */
		spdk_bdev_free_io(bdev_io);
		csd_reader_fail_piece(piece, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INTERNAL_DEVICE_ERROR);
	}
}

static void
csd_reader_zero_copy_done(struct piece *piece, struct spdk_bdev_io *bdev_io)
{
	struct iovec *iov;
	int iovcnt;

	spdk_bdev_io_get_iovec(bdev_io, &iov, &iovcnt);
	piece->zero_copy_io = bdev_io;
	piece->bytes = iov[0].iov_base;
	if (iovcnt != 1 || iov[0].iov_len < piece->length) {
		/* Not in one piece, as a window has to be: it is no window, and is released when the reader closes. */
		piece->bytes = NULL;
		csd_reader_fail(piece->reader, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INTERNAL_DEVICE_ERROR);
	}
	piece->state = PIECE_READY;
}

static void
csd_reader_io_done(struct spdk_bdev_io *bdev_io, bool success, void *ctx)
{
	struct piece *piece = ctx;
	int status_code_type, status_code;
	uint32_t cdw0;

	if (!success) {
		spdk_bdev_io_get_nvme_status(bdev_io, &cdw0, &status_code_type, &status_code);
		csd_reader_fail_piece(piece, status_code_type, status_code);
		spdk_bdev_free_io(bdev_io);
	} else if (piece->reader->zero_copy) {
		csd_reader_zero_copy_done(piece, bdev_io);
	} else {
		piece->bytes = piece->buffer;
		piece->state = PIECE_READY;
		spdk_bdev_free_io(bdev_io);
	}
	csd_reader_notify(piece->reader);
}

static int
csd_reader_start_io(struct piece *piece)
{
	struct csd_reader *reader = piece->reader;
	struct csd_reader_options *options = &reader->options;
	uint64_t block = piece->start / reader->block_bytes;
	uint64_t blocks = piece->length / reader->block_bytes;

	if (reader->zero_copy) {
		return spdk_bdev_zcopy_start(options->desc, options->channel, block, blocks, true, csd_reader_io_done, piece);
	}
	if (piece->buffer == NULL) {
		piece->buffer = csd_reader_take_buffer(reader, piece);
		if (piece->buffer == NULL) {
			return -ENOBUFS;
		}
	}
	return spdk_bdev_read_blocks(options->desc, options->channel, piece->buffer, block, blocks, csd_reader_io_done, piece);
}

static void
csd_reader_retry(void *ctx)
{
	struct piece *piece = ctx;

	csd_reader_read_piece(piece);
	csd_reader_notify(piece->reader);
}

/* Reads the piece whose place is set, perhaps later, when the bdev has room for an I/O. */
static void
csd_reader_read_piece(struct piece *piece)
{
	struct csd_reader *reader = piece->reader;
	int rc;

	if (reader->closing) {
		piece->state = PIECE_FREE;
		return;
	}
	rc = csd_reader_start_io(piece);
	if (rc == -ENOMEM) {
		piece->wait.bdev = reader->bdev;
		piece->wait.cb_fn = csd_reader_retry;
		piece->wait.cb_arg = piece;
		rc = spdk_bdev_queue_io_wait(reader->bdev, reader->options.channel, &piece->wait);
	}
	if (rc != 0) {
		CSD_NOTICE("%s: could not read %" PRIu64 " bytes from %" PRIu64 ": %s\n",
			   spdk_bdev_get_name(reader->bdev), piece->length, piece->start, strerror(-rc));
		csd_reader_fail_piece(piece, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INTERNAL_DEVICE_ERROR);
	}
}

/*
 * Beside csd_ram, of SPDK 20.07's bdevs malloc alone has zero copy. Those that stand on another one (passthru, split) say that they have it
 * whatever that one is, and then crash if it does not.
 */
static bool
csd_reader_has_zero_copy(struct spdk_bdev *bdev)
{
	return strcmp(bdev->module->name, "malloc") == 0 || csd_ram_shared(bdev) != NULL;
}

struct csd_reader *
csd_reader_open(const struct csd_reader_options *options)
{
	struct csd_reader *reader = calloc(1, sizeof(*reader));
	uint32_t i;

	if (reader == NULL) {
		return NULL;
	}
	reader->options = *options;
	reader->bdev = spdk_bdev_desc_get_bdev(options->desc);
	reader->block_bytes = spdk_bdev_get_block_size(reader->bdev);
	reader->zero_copy = csd_reader_has_zero_copy(reader->bdev);
	reader->ahead = options->first;
	/* Progress is certain only if a piece holds more than what it repeats. */
	reader->piece_bytes = spdk_max(reader->zero_copy ? ZERO_COPY_BYTES : READ_BYTES,
				       2 * (options->record_bytes + 2 * reader->block_bytes));
	reader->piece_bytes -= reader->piece_bytes % reader->block_bytes;
	for (i = 0; i < PIECES; i++) {
		reader->piece[i].reader = reader;
	}
	csd_reader_read_ahead(reader);
	return reader;
}

bool
csd_reader_window(struct csd_reader *reader, struct csd_window *window)
{
	struct piece *piece = &reader->piece[reader->current];
	uint64_t first = reader->options.first;
	uint64_t begin, stop;

	if (piece->state != PIECE_READY || piece->bytes == NULL) {
		return false;
	}
	begin = spdk_max(piece->start, first);
	stop = spdk_min(piece->start + piece->length, csd_reader_end_of(reader));
	window->bytes = piece->bytes + (begin - piece->start);
	window->offset = begin - first;
	window->length = stop - begin;
	return true;
}

void
csd_reader_advance(struct csd_reader *reader)
{
	struct piece *piece = &reader->piece[reader->current];

	reader->current = (reader->current + 1) % PIECES;
	csd_reader_release(piece);
	csd_reader_read_ahead(reader);
}

bool
csd_reader_failed(const struct csd_reader *reader, int *status_code_type, int *status_code)
{
	*status_code_type = reader->status_code_type;
	*status_code = reader->status_code;
	return reader->failed;
}

bool
csd_reader_close(struct csd_reader *reader)
{
	bool busy = false;
	uint32_t i;

	reader->closing = true;
	for (i = 0; i < PIECES; i++) {
		if (reader->piece[i].state == PIECE_READY) {
			csd_reader_release(&reader->piece[i]);
		}
		busy = busy || reader->piece[i].state == PIECE_BUSY;
	}
	if (busy) {
		return false;
	}
	for (i = 0; i < PIECES; i++) {
		csd_reader_put_buffer(reader, &reader->piece[i]);
	}
	free(reader);
	return true;
}
