/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Moves a whole range of a device, in order, with a number of transfers under way at any time. */
#ifndef CSD_STREAM_H
#define CSD_STREAM_H

#include "csd_io.h"

#define CSD_MAX_DEPTH	256

struct csd_setting {
	uint32_t io_bytes;
	uint32_t depth;
};

/* Buffers beyond the depth, so that a buffer is worked on while `depth` others are under way. */
struct csd_stream {
	struct csd_io *io;
	uint8_t *arena;
	size_t arena_bytes;
};

/* Memory that a setting needs: twice its depth of buffers. */
size_t csd_setting_bytes(const struct csd_setting *setting);

/* 0, or negative with `err`: a setting that the device cannot do is refused here. */
int csd_setting_check(const struct csd_setting *setting, const struct csd_io *io, struct csd_error *err);

/* `arena_bytes`: the largest csd_setting_bytes() that will be used. */
int csd_stream_open(struct csd_stream *stream, struct csd_io *io, size_t arena_bytes, struct csd_error *err);
void csd_stream_close(struct csd_stream *stream);

/* What is done with each piece, in the order of the device. Negative stops the stream; `err` then says why. */
typedef int (*csd_piece)(void *ctx, uint64_t offset, uint8_t *data, uint32_t bytes, struct csd_error *err);

/* Reads [0, bytes) and hands over each piece while the next ones are under way. */
int csd_stream_read(struct csd_stream *stream, const struct csd_setting *setting, uint64_t bytes, csd_piece consume,
		    void *ctx, struct csd_error *err);

/* Writes [0, bytes): `produce` fills each piece. */
int csd_stream_write(struct csd_stream *stream, const struct csd_setting *setting, uint64_t bytes, csd_piece produce,
		     void *ctx, struct csd_error *err);

#endif
