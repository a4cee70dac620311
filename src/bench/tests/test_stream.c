/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The stream over a device in memory that finishes transfers in any order, refuses some, and fails on demand. */
#include "check.h"
#include "csd_stream.h"

#include <errno.h>

#define DEVICE_BYTES	(1u << 20)
#define BLOCK_BYTES	512

struct transfer {
	bool write;
	uint8_t *buffer;
	uint64_t offset;
	uint32_t bytes;
	uint32_t tag;
};

static struct {
	struct csd_io base;
	uint8_t memory[DEVICE_BYTES];
	struct transfer waiting[CSD_MAX_DEPTH];
	uint32_t count;
	uint32_t most;			/* transfers under way at once */
	uint32_t random;
	uint32_t busy_every;		/* refuse each n-th submission while others wait */
	uint32_t submissions;
	uint64_t fail_at;		/* the transfer that holds this offset fails */
	bool lost;			/* the connection is gone */
	uint32_t lose_after;		/* polls */
} g_device;

static uint32_t
next_random(void)
{
	g_device.random = g_device.random * 1664525u + 1013904223u;
	return g_device.random >> 8;
}

static void *
device_alloc(struct csd_io *io, size_t bytes)
{
	(void)io;
	return bytes > (64u << 20) ? NULL : malloc(bytes);
}

static void
device_free(struct csd_io *io, void *memory)
{
	(void)io;
	free(memory);
}

static int
device_submit(struct csd_io *io, bool write, void *buffer, uint64_t offset, uint32_t bytes, uint32_t tag)
{
	(void)io;
	if (g_device.busy_every != 0 && g_device.count > 0 && ++g_device.submissions % g_device.busy_every == 0) {
		return -EAGAIN;
	}
	g_device.waiting[g_device.count++] = (struct transfer){ write, buffer, offset, bytes, tag };
	g_device.most = g_device.count > g_device.most ? g_device.count : g_device.most;
	return 0;
}

static int
device_poll(struct csd_io *io, bool wait)
{
	struct transfer transfer;
	uint32_t which;
	bool fails;

	(void)wait;
	if (g_device.lose_after != 0 && --g_device.lose_after == 0) {
		g_device.lost = true;
	}
	if (g_device.lost) {
		return -ENOTCONN;
	}
	if (g_device.count == 0) {
		return 0;
	}
	which = next_random() % g_device.count;
	transfer = g_device.waiting[which];
	g_device.waiting[which] = g_device.waiting[--g_device.count];
	fails = g_device.fail_at >= transfer.offset && g_device.fail_at < transfer.offset + transfer.bytes;
	if (!fails && transfer.write) {
		memcpy(g_device.memory + transfer.offset, transfer.buffer, transfer.bytes);
	} else if (!fails) {
		memcpy(transfer.buffer, g_device.memory + transfer.offset, transfer.bytes);
	}
	io->done(io->done_ctx, transfer.tag, fails ? -EIO : 0);
	return 0;
}

static const struct csd_io_ops g_ops = {
	.alloc = device_alloc,
	.free = device_free,
	.submit = device_submit,
	.poll = device_poll,
};

static struct csd_stream
open_device(const struct csd_setting *setting)
{
	struct csd_stream stream;
	struct csd_error err;

	memset(&g_device, 0, sizeof(g_device));
	g_device.base = (struct csd_io){ .ops = &g_ops, .bytes = DEVICE_BYTES, .block_bytes = BLOCK_BYTES,
					 .name = "memory" };
	g_device.random = setting->depth * 7 + setting->io_bytes;
	g_device.fail_at = UINT64_MAX;
	CHECK(csd_stream_open(&stream, &g_device.base, csd_setting_bytes(setting), &err) == 0);
	return stream;
}

struct collected {
	uint8_t bytes[DEVICE_BYTES];
	uint64_t next;
	uint64_t stop_at;
};

/* Pieces come in order and without gaps, whatever order the device finished them in. */
static int
collect(void *ctx, uint64_t offset, uint8_t *data, uint32_t bytes, struct csd_error *err)
{
	struct collected *collected = ctx;

	CHECK_U64(offset, collected->next);
	if (offset >= collected->stop_at) {
		return csd_fail(err, CSD_WRONG_DATA, "asked to stop");
	}
	memcpy(collected->bytes + offset, data, bytes);
	collected->next += bytes;
	return 0;
}

static int
produce(void *ctx, uint64_t offset, uint8_t *data, uint32_t bytes, struct csd_error *err)
{
	(void)err;
	memcpy(data, (uint8_t *)ctx + offset, bytes);
	return 0;
}

static struct collected *
new_collected(void)
{
	struct collected *collected = calloc(1, sizeof(*collected));

	collected->stop_at = UINT64_MAX;
	return collected;
}

static void
test_reads_in_order(void)
{
	static const struct csd_setting settings[] = { { 512, 1 }, { 512, 3 }, { 4096, 1 }, { 4096, 32 }, { 131072, 4 },
						       { 1u << 20, 2 }, { 2u << 20, 1 }, { 1024, 256 } };
	static const uint64_t sizes[] = { 512, 1024, 4096, 5120, 131072, 131584, 262144, DEVICE_BYTES };
	struct csd_error err;
	size_t i, j, k;
	uint32_t busy;

	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		for (j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
			for (busy = 0; busy < 8; busy += 3) {
				struct csd_stream stream = open_device(&settings[i]);
				struct collected *collected = new_collected();

				g_device.busy_every = busy;
				for (k = 0; k < DEVICE_BYTES; k++) {
					g_device.memory[k] = (uint8_t)next_random();
				}
				CHECK(csd_stream_read(&stream, &settings[i], sizes[j], collect, collected, &err) == 0);
				CHECK_U64(collected->next, sizes[j]);
				CHECK(memcmp(collected->bytes, g_device.memory, sizes[j]) == 0);
				CHECK(g_device.most <= settings[i].depth);
				if (busy == 0) {
					uint64_t pieces = (sizes[j] + settings[i].io_bytes - 1) / settings[i].io_bytes;

					CHECK_U64(g_device.most, pieces < settings[i].depth ? pieces : settings[i].depth);
				}
				free(collected);
				csd_stream_close(&stream);
			}
		}
	}
}

static void
test_writes_everything(void)
{
	static const struct csd_setting settings[] = { { 512, 1 }, { 4096, 7 }, { 65536, 32 } };
	static uint8_t data[DEVICE_BYTES];
	struct csd_error err;
	size_t i, k;

	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		struct csd_stream stream = open_device(&settings[i]);

		for (k = 0; k < DEVICE_BYTES; k++) {
			data[k] = (uint8_t)next_random();
		}
		CHECK(csd_stream_write(&stream, &settings[i], 100352, produce, data, &err) == 0);
		CHECK(memcmp(g_device.memory, data, 100352) == 0);
		CHECK(g_device.memory[100352] == 0);
		csd_stream_close(&stream);
	}
}

static void
test_failed_transfer(void)
{
	const struct csd_setting setting = { 4096, 8 };
	struct csd_stream stream = open_device(&setting);
	struct collected *collected = new_collected();
	struct csd_error err;

	g_device.fail_at = 50000;
	CHECK(csd_stream_read(&stream, &setting, DEVICE_BYTES, collect, collected, &err) == -CSD_IO_FAILED);
	CHECK_TEXT(err.asked, "read memory");
	CHECK_TEXT(err.found, "at byte 49152: Input/output error");
	CHECK(collected->next <= 49152);
	CHECK_U64(g_device.count, 0);		/* nothing still writes into our buffers */
	free(collected);
	csd_stream_close(&stream);
}

static void
test_lost_connection(void)
{
	const struct csd_setting setting = { 4096, 8 };
	struct csd_stream stream = open_device(&setting);
	struct collected *collected = new_collected();
	struct csd_error err;

	g_device.lose_after = 20;
	CHECK(csd_stream_read(&stream, &setting, DEVICE_BYTES, collect, collected, &err) == -CSD_IO_FAILED);
	CHECK(strstr(err.found, "Transport endpoint is not connected") != NULL);
	CHECK_TEXT(err.fix, "look at the target's log and the connection, then run again");
	free(collected);
	csd_stream_close(&stream);
}

static void
test_consumer_can_stop(void)
{
	const struct csd_setting setting = { 4096, 8 };
	struct csd_stream stream = open_device(&setting);
	struct collected *collected = new_collected();
	struct csd_error err;

	collected->stop_at = 16384;
	CHECK(csd_stream_read(&stream, &setting, DEVICE_BYTES, collect, collected, &err) == -CSD_WRONG_DATA);
	CHECK_TEXT(err.asked, "asked to stop");
	CHECK_U64(g_device.count, 0);
	free(collected);
	csd_stream_close(&stream);
}

static void
test_settings_are_checked(void)
{
	const struct csd_setting good = { 4096, 8 };
	struct csd_stream stream = open_device(&good);
	struct csd_error err;

	CHECK(csd_setting_check(&good, &g_device.base, &err) == 0);
	CHECK(csd_setting_check(&(struct csd_setting){ 1000, 8 }, &g_device.base, &err) == -CSD_USAGE);
	CHECK_TEXT(err.asked, "I/O size 1000");
	CHECK_TEXT(err.found, "memory has blocks of 512 bytes");
	CHECK_TEXT(err.fix, "choose a multiple of 512");
	CHECK(csd_setting_check(&(struct csd_setting){ 0, 8 }, &g_device.base, &err) == -CSD_USAGE);
	CHECK(csd_setting_check(&(struct csd_setting){ 512, 0 }, &g_device.base, &err) == -CSD_USAGE);
	CHECK(csd_setting_check(&(struct csd_setting){ 512, 257 }, &g_device.base, &err) == -CSD_USAGE);
	CHECK_TEXT(err.found, "possible are 1 to 256");
	CHECK(csd_stream_read(&stream, &(struct csd_setting){ 8192, 8 }, 8192, collect, NULL, &err) == -CSD_USAGE);
	csd_stream_close(&stream);
	CHECK(csd_stream_open(&stream, &g_device.base, 65u << 20, &err) == -CSD_UNAVAILABLE);
	CHECK_TEXT(err.asked, "68157440 bytes of buffers (twice queue depth x I/O size)");
}

int
main(void)
{
	RUN(test_reads_in_order);
	RUN(test_writes_everything);
	RUN(test_failed_transfer);
	RUN(test_lost_connection);
	RUN(test_consumer_can_stop);
	RUN(test_settings_are_checked);
	return check_done();
}
