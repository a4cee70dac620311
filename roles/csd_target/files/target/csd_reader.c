/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_reader.h"

#include "spdk/bdev_module.h"
#include "spdk/env.h"
#include "spdk/util.h"
#include "spdk_internal/log.h"

/*
 * Lent memory costs nothing, and every change of windows a trip through the thread's messages. Memory that is read into
 * should still be in the second-level cache when the program comes to it.
 */
#define LENT_BYTES	(4u << 20)
#define READ_BYTES	(512u << 10)
#define PIECES		2

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
	uint8_t *buffer;		/* of our own, where the bdev lends none */
	struct spdk_bdev_io *lent;
	struct spdk_bdev_io_wait_entry wait;
};

struct csd_reader {
	struct csd_reader_options options;
	struct spdk_bdev *bdev;
	uint32_t block_bytes;
	uint32_t piece_bytes;
	bool lends;
	bool closing;
	bool failed;
	int status_code_type;
	int status_code;
	uint64_t ahead;			/* byte in the bdev from which the next piece is to be read */
	struct piece piece[PIECES];
	uint32_t current;
};

static void submit(void *ctx);

static uint64_t
end_of(const struct csd_reader *reader)
{
	return reader->options.first + reader->options.length;
}

static void
fail(struct csd_reader *reader, int status_code_type, int status_code)
{
	if (!reader->failed) {
		reader->failed = true;
		reader->status_code_type = status_code_type;
		reader->status_code = status_code;
	}
}

static void
fail_of_io(struct csd_reader *reader, const struct spdk_bdev_io *bdev_io)
{
	int status_code_type, status_code;
	uint32_t cdw0;

	spdk_bdev_io_get_nvme_status(bdev_io, &cdw0, &status_code_type, &status_code);
	fail(reader, status_code_type, status_code);
}

static void
returned(struct spdk_bdev_io *bdev_io, bool success, void *ctx)
{
	struct piece *piece = ctx;
	struct csd_reader *reader = piece->reader;

	spdk_bdev_free_io(bdev_io);
	piece->state = PIECE_FREE;
	if (!success) {
		SPDK_ERRLOG("%s: could not give back lent memory\n", spdk_bdev_get_name(reader->bdev));
	}
	if (!reader->closing && !reader->failed && reader->ahead < end_of(reader)) {
		submit(piece);
	}
	reader->options.notify(reader->options.ctx);
}

static void
give_back(struct piece *piece)
{
	struct spdk_bdev_io *bdev_io = piece->lent;
	int rc;

	piece->state = PIECE_FREE;
	if (bdev_io == NULL) {
		return;
	}
	piece->lent = NULL;
	piece->state = PIECE_BUSY;
	rc = spdk_bdev_zcopy_end(bdev_io, false, returned, piece);
	assert(rc == 0);
	(void)rc;
}

static void
done(struct spdk_bdev_io *bdev_io, bool success, void *ctx)
{
	struct piece *piece = ctx;
	struct csd_reader *reader = piece->reader;
	struct iovec *iov;
	int iovcnt;

	if (!success) {
		fail_of_io(reader, bdev_io);
		spdk_bdev_free_io(bdev_io);
		piece->state = PIECE_FREE;
	} else if (piece->buffer != NULL) {
		spdk_bdev_free_io(bdev_io);
		piece->bytes = piece->buffer;
		piece->state = PIECE_READY;
	} else {
		spdk_bdev_io_get_iovec(bdev_io, &iov, &iovcnt);
		piece->lent = bdev_io;
		if (iovcnt == 1) {
			piece->bytes = iov[0].iov_base;
			piece->state = PIECE_READY;
		} else {
			/* Lent in several pieces, across whose borders no program can look. */
			fail(reader, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INTERNAL_DEVICE_ERROR);
			give_back(piece);
		}
	}
	reader->options.notify(reader->options.ctx);
}

static int
start_io(struct piece *piece)
{
	struct csd_reader *reader = piece->reader;
	struct csd_reader_options *options = &reader->options;
	uint64_t block = piece->start / reader->block_bytes;
	uint64_t blocks = piece->length / reader->block_bytes;

	if (reader->lends) {
		return spdk_bdev_zcopy_start(options->desc, options->channel, block, blocks, true, done, piece);
	}
	return spdk_bdev_read_blocks(options->desc, options->channel, piece->buffer, block, blocks, done, piece);
}

/* Reads the piece whose place is set. Called again when the bdev has room for an I/O. */
static void
read_piece(void *ctx)
{
	struct piece *piece = ctx;
	struct csd_reader *reader = piece->reader;
	int rc = start_io(piece);

	if (rc == -ENOMEM) {
		piece->wait.bdev = reader->bdev;
		piece->wait.cb_fn = read_piece;
		piece->wait.cb_arg = piece;
		rc = spdk_bdev_queue_io_wait(reader->bdev, reader->options.channel, &piece->wait);
	}
	if (rc != 0) {
		SPDK_ERRLOG("%s: could not read %" PRIu64 " bytes from %" PRIu64 ": %s\n",
			    spdk_bdev_get_name(reader->bdev), piece->length, piece->start, strerror(-rc));
		fail(reader, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INTERNAL_DEVICE_ERROR);
		piece->state = PIECE_FREE;
		/* Whoever waits sees it on the next look: see csd_reader_failed(). */
	}
}

/* Reads on, into this piece. */
static void
submit(void *ctx)
{
	struct piece *piece = ctx;
	struct csd_reader *reader = piece->reader;
	uint64_t end = end_of(reader), stop;

	piece->start = reader->ahead - reader->ahead % reader->block_bytes;
	stop = spdk_min(piece->start + reader->piece_bytes, SPDK_CEIL_DIV(end, reader->block_bytes) * reader->block_bytes);
	piece->length = stop - piece->start;
	/* A record that begins before this has been seen: it ends in this piece. */
	reader->ahead = stop >= end ? end : stop - reader->options.record_bytes + 1;
	piece->state = PIECE_BUSY;
	read_piece(piece);
}

static bool
bdev_lends(struct spdk_bdev *bdev)
{
	/* spdk_bdev_io_type_supported() is also true where the bdev layer would copy. */
	return bdev->fn_table->io_type_supported(bdev->ctxt, SPDK_BDEV_IO_TYPE_ZCOPY);
}

struct csd_reader *
csd_reader_open(const struct csd_reader_options *options)
{
	struct csd_reader *reader = calloc(1, sizeof(*reader));
	uint64_t blocks_bytes;
	uint32_t i;

	if (reader == NULL) {
		return NULL;
	}
	reader->options = *options;
	reader->bdev = spdk_bdev_desc_get_bdev(options->desc);
	reader->block_bytes = spdk_bdev_get_block_size(reader->bdev);
	reader->lends = bdev_lends(reader->bdev);
	reader->ahead = options->first;
	/* Progress is certain only if a piece holds more than what it repeats. */
	reader->piece_bytes = spdk_max(reader->lends ? LENT_BYTES : READ_BYTES,
				       2 * (options->record_bytes + 2 * reader->block_bytes));
	reader->piece_bytes -= reader->piece_bytes % reader->block_bytes;
	blocks_bytes = options->length + 2ull * reader->block_bytes;
	for (i = 0; i < PIECES; i++) {
		reader->piece[i].reader = reader;
		if (!reader->lends && (i == 0 || blocks_bytes > reader->piece_bytes)) {
			reader->piece[i].buffer = spdk_dma_malloc(spdk_min(blocks_bytes, reader->piece_bytes),
						  spdk_bdev_get_buf_align(reader->bdev), NULL);
			if (reader->piece[i].buffer == NULL) {
				spdk_dma_free(reader->piece[0].buffer);
				free(reader);
				return NULL;
			}
		}
	}
	for (i = 0; i < PIECES && reader->ahead < end_of(reader); i++) {
		submit(&reader->piece[i]);
	}
	return reader;
}

bool
csd_reader_window(struct csd_reader *reader, struct csd_window *window)
{
	struct piece *piece = &reader->piece[reader->current];
	uint64_t first = reader->options.first;
	uint64_t begin, stop;

	if (piece->state != PIECE_READY) {
		return false;
	}
	begin = spdk_max(piece->start, first);
	stop = spdk_min(piece->start + piece->length, end_of(reader));
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
	give_back(piece);
	if (piece->state == PIECE_FREE && !reader->failed && reader->ahead < end_of(reader)) {
		submit(piece);
	}
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
			give_back(&reader->piece[i]);
		}
		busy = busy || reader->piece[i].state == PIECE_BUSY;
	}
	if (busy) {
		return false;
	}
	for (i = 0; i < PIECES; i++) {
		spdk_dma_free(reader->piece[i].buffer);
	}
	free(reader);
	return true;
}
