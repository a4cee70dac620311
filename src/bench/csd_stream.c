/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_stream.h"

#include <errno.h>
#include <string.h>

#define MAX_SLOTS	(2 * CSD_MAX_DEPTH)

enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_DONE };

/* One pass over the range. Pieces are numbered; piece p uses slot p % slots, so slots come free in order. */
struct pass {
	struct csd_stream *stream;
	const struct csd_setting *setting;
	bool write;
	uint64_t bytes;
	uint64_t pieces;
	uint64_t submitted;
	uint64_t retired;
	uint32_t slots;
	uint32_t in_flight;
	int failed;			/* -errno of the first transfer that failed */
	uint64_t failed_offset;
	uint64_t piece_of_slot[MAX_SLOTS];
	uint8_t state[MAX_SLOTS];
};

size_t
csd_setting_bytes(const struct csd_setting *setting)
{
	return 2 * (size_t)setting->depth * setting->io_bytes;
}

int
csd_setting_check(const struct csd_setting *setting, const struct csd_io *io, struct csd_error *err)
{
	if (setting->depth == 0 || setting->depth > CSD_MAX_DEPTH) {
		csd_fail(err, CSD_USAGE, "queue depth %u", setting->depth);
		csd_found(err, "possible are 1 to %d", CSD_MAX_DEPTH);
		return csd_fix(err, "choose one of these");
	}
	if (setting->io_bytes == 0 || setting->io_bytes % io->block_bytes != 0) {
		csd_fail(err, CSD_USAGE, "I/O size %u", setting->io_bytes);
		csd_found(err, "%s has blocks of %u bytes", io->name, io->block_bytes);
		return csd_fix(err, "choose a multiple of %u", io->block_bytes);
	}
	return 0;
}

int
csd_stream_open(struct csd_stream *stream, struct csd_io *io, size_t arena_bytes, struct csd_error *err)
{
	stream->io = io;
	stream->arena_bytes = arena_bytes;
	stream->arena = io->ops->alloc(io, arena_bytes);
	if (stream->arena == NULL) {
		csd_fail(err, CSD_UNAVAILABLE, "%zu bytes of buffers (twice queue depth x I/O size)", arena_bytes);
		csd_found(err, "this process has not that much memory for transfers");
		return csd_fix(err, "give it more (--memory), or ask for a smaller queue depth or I/O size");
	}
	return 0;
}

void
csd_stream_close(struct csd_stream *stream)
{
	if (stream->arena != NULL) {
		stream->io->ops->free(stream->io, stream->arena);
		stream->arena = NULL;
	}
}

static uint32_t
stream_piece_bytes(const struct pass *pass, uint64_t piece)
{
	uint64_t rest = pass->bytes - piece * pass->setting->io_bytes;

	return rest < pass->setting->io_bytes ? (uint32_t)rest : pass->setting->io_bytes;
}

static void
stream_transfer_done(void *ctx, uint32_t slot, int status)
{
	struct pass *pass = ctx;

	pass->state[slot] = SLOT_DONE;
	pass->in_flight--;
	if (status != 0 && pass->failed == 0) {
		pass->failed = status;
		pass->failed_offset = pass->piece_of_slot[slot] * pass->setting->io_bytes;
	}
}

static uint8_t *
stream_slot_buffer(const struct pass *pass, uint32_t slot)
{
	return pass->stream->arena + (size_t)slot * pass->setting->io_bytes;
}

/* Starts as many transfers as the depth and the free slots allow. */
static int
stream_submit_more(struct pass *pass, csd_piece produce, void *ctx, struct csd_error *err)
{
	struct csd_io *io = pass->stream->io;

	while (pass->submitted < pass->pieces && pass->in_flight < pass->setting->depth &&
	       pass->submitted - pass->retired < pass->slots) {
		uint32_t slot = (uint32_t)(pass->submitted % pass->slots);
		uint32_t bytes = stream_piece_bytes(pass, pass->submitted);
		uint64_t offset = pass->submitted * pass->setting->io_bytes;
		int rc;

		if (produce != NULL) {
			rc = produce(ctx, offset, stream_slot_buffer(pass, slot), bytes, err);
			if (rc != 0) {
				return rc;
			}
		}
		pass->state[slot] = SLOT_BUSY;
		pass->piece_of_slot[slot] = pass->submitted;
		pass->in_flight++;	/* before: a back-end may complete at once */
		rc = io->ops->submit(io, pass->write, stream_slot_buffer(pass, slot), offset, bytes, slot);
		if (rc != 0) {
			pass->in_flight--;
			pass->state[slot] = SLOT_FREE;
			if (rc == -EAGAIN && pass->in_flight > 0) {
				return 0;
			}
			pass->failed = rc;
			pass->failed_offset = offset;
			return 0;
		}
		pass->submitted++;
	}
	return 0;
}

/* No buffer may be given back while the device still writes into it. */
static void
stream_drain(struct pass *pass)
{
	struct csd_io *io = pass->stream->io;

	while (pass->in_flight > 0 && io->ops->poll(io, true) == 0) {
	}
}

static int
stream_explain(const struct pass *pass, struct csd_error *err)
{
	csd_fail(err, CSD_IO_FAILED, "%s %s", pass->write ? "write" : "read", pass->stream->io->name);
	if (pass->failed == -ENODATA) {
		csd_found(err, "the device ends before byte %lu", pass->failed_offset + pass->setting->io_bytes);
		return csd_fix(err, "name a larger device, or ask for fewer records");
	}
	csd_found(err, "at byte %lu: %s", pass->failed_offset, strerror(-pass->failed));
	return csd_fix(err, "look at the target's log and the connection, then run again");
}

static int
stream_run(struct pass *pass, csd_piece produce, csd_piece consume, void *ctx, struct csd_error *err)
{
	struct csd_io *io = pass->stream->io;
	int rc = 0;

	io->done = stream_transfer_done;
	io->done_ctx = pass;
	while (rc == 0 && pass->failed == 0 && pass->retired < pass->pieces) {
		uint32_t head = (uint32_t)(pass->retired % pass->slots);
		int lost;

		rc = stream_submit_more(pass, produce, ctx, err);
		if (rc != 0 || pass->failed != 0) {
			break;
		}
		lost = io->ops->poll(io, pass->state[head] != SLOT_DONE);
		if (lost != 0 && pass->failed == 0) {
			pass->failed = lost;
			pass->failed_offset = pass->retired * pass->setting->io_bytes;
		}
		if (pass->failed == 0 && pass->state[head] == SLOT_DONE) {
			if (consume != NULL) {
				rc = consume(ctx, pass->retired * pass->setting->io_bytes,
					     stream_slot_buffer(pass, head), stream_piece_bytes(pass, pass->retired),
					     err);
			}
			pass->state[head] = SLOT_FREE;
			pass->retired++;
		}
	}
	stream_drain(pass);
	return pass->failed != 0 ? stream_explain(pass, err) : rc;
}

static int
stream_start(struct csd_stream *stream, const struct csd_setting *setting, uint64_t bytes, bool write,
	     csd_piece produce, csd_piece consume, void *ctx, struct csd_error *err)
{
	struct pass pass = {
		.stream = stream,
		.setting = setting,
		.write = write,
		.bytes = bytes,
		.pieces = (bytes + setting->io_bytes - 1) / setting->io_bytes,
		.slots = 2 * setting->depth,
	};

	if (csd_setting_bytes(setting) > stream->arena_bytes) {
		csd_fail(err, CSD_USAGE, "queue depth %u x I/O size %u", setting->depth, setting->io_bytes);
		csd_found(err, "buffers of %zu bytes were prepared", stream->arena_bytes);
		return csd_fix(err, "open the stream for the largest setting");
	}
	return stream_run(&pass, produce, consume, ctx, err);
}

int
csd_stream_read(struct csd_stream *stream, const struct csd_setting *setting, uint64_t bytes, csd_piece consume,
		void *ctx, struct csd_error *err)
{
	return stream_start(stream, setting, bytes, false, NULL, consume, ctx, err);
}

int
csd_stream_write(struct csd_stream *stream, const struct csd_setting *setting, uint64_t bytes, csd_piece produce,
		 void *ctx, struct csd_error *err)
{
	return stream_start(stream, setting, bytes, true, produce, NULL, ctx, err);
}
