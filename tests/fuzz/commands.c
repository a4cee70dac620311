/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Streams of a host that is let in and keeps to the transport: a few commands that belong together (load, activate, copy,
 * execute, ...), of which some fields, opcodes, queues, lengths or data are changed, sent without waiting for each other.
 */
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "host.h"
#include "streams.h"

#define DATA_BYTES	(160u << 10)
#define FRESH_STREAMS	500		/* after so many a new connection, and what streams work on is put right */

/* The namespaces */
#define NVM	1
#define SLM	2
#define COMPUTE	3

static struct host commands_host;

struct range {
	uint32_t nsid, length;
	uint64_t start, reserved[2];
};

static uint32_t
commands_io_queue(void)
{
	return 1 + below(HOST_QUEUES - 1);
}

static uint32_t
commands_make_load(struct item *items)
{
	uint32_t which = below(fuzz.programs), slot = 3 + below(3), length = fuzz.program[which].length;
	uint32_t chunk = one_in(3) ? 1 + below(length) : length, at, count = 0;
	/* PTYPE, and PIT: eBPF's types of today and of before, with a program identifier and without */
	uint32_t kind = (one_in(2) ? 0xc0 : 0x01) << 16 | (one_in(2) ? 1u << 25 : 0);

	if (!one_in(4)) {
		host_make(&items[count], 0, 0x88, COMPUTE, NULL, 0, 0);
		items[count++].command.dw10 = slot;
		host_make(&items[count], 0, 0x85, COMPUTE, NULL, 0, 0);
		items[count++].command.dw10 = slot | 1 << 24;
	}
	for (at = 0; at < length && count < 5; at += chunk, count++) {
		uint32_t bytes = length - at < chunk ? length - at : chunk;

		host_make(&items[count], 0, 0x85, COMPUTE, fuzz.program[which].bytes + at, bytes, 0);
		items[count].command.dw10 = slot | kind;
		items[count].command.dw11 = length;
		items[count].command.dw14 = bytes;
		items[count].command.dw15 = at;
	}
	host_make(&items[count], 0, 0x88, COMPUTE, NULL, 0, 0);
	items[count++].command.dw10 = slot | 1 << 16;
	return count;
}

static uint32_t
commands_make_unload(struct item *items)
{
	uint32_t slot = below(6);

	host_make(&items[0], 0, 0x88, COMPUTE, NULL, 0, 0);
	items[0].command.dw10 = slot;
	host_make(&items[1], 0, 0x85, COMPUTE, NULL, 0, 0);
	items[1].command.dw10 = slot | 1 << 24;
	return 2;
}

static uint32_t
commands_make_range_set(struct item *items)
{
	struct range ranges[8] = { 0 };
	uint32_t count = 1 + below(3), i;

	for (i = 0; i < count; i++) {
		ranges[i] = (struct range){ SLM, 4 * (1 + below(2048)), 0x10000u * i + 4 * below(1024), { 0 } };
	}
	host_make(&items[0], 0, 0x89, COMPUTE, ranges, count * sizeof(ranges[0]), 0);
	items[0].command.dw11 = count;
	host_make(&items[1], 0, 0x89, COMPUTE, NULL, 0, 0);
	items[1].command.dw10 = 1 | (1 + below(8)) << 16;
	return 2;
}

static uint32_t
commands_make_slm(struct item *items)
{
	uint8_t bytes[16384];
	uint32_t length = 4 * (1 + below(one_in(4) ? 4096 : 64)), start = 4 * below(16384), i;

	for (i = 0; i < length; i++) {
		bytes[i] = (uint8_t)draw();
	}
	host_make(&items[0], commands_io_queue(), 0x05, SLM, bytes, length, 0);
	host_make(&items[1], commands_io_queue(), 0x04, SLM, NULL, 0, 0);
	host_make(&items[2], commands_io_queue(), 0x02, SLM, NULL, 0, length);
	for (i = 0; i < 3; i++) {
		items[i].command.dw10 = start;
		items[i].command.dw12 = length;
	}
	items[1].command.dw13 = (uint32_t)draw();
	if (one_in(8)) {
		items[1].command.dw12 = 0x80000;
	}
	return 3;
}

static uint32_t
commands_make_copy(struct item *items)
{
	struct {
		uint32_t nsid, reserved;
		uint64_t start;
		uint32_t length, rest[3];
	} source[4] = { 0 };
	uint32_t count = 1 + below(4), i, total = 0;
	bool blocks = one_in(2);

	for (i = 0; i < count; i++) {
		uint32_t units = 1 + below(16);

		source[i].nsid = blocks ? NVM : SLM;
		source[i].start = blocks ? below(200) : 0x80000u + 4 * below(8192);
		source[i].length = blocks ? units - 1 : 4 * units;
		total += blocks ? 4096 * units : 4 * units;
	}
	host_make(&items[0], commands_io_queue(), 0x01, SLM, source, count * 32, 0);
	items[0].command.dw2 = total;
	items[0].command.dw10 = 4 * below(4096);
	items[0].command.dw12 = (count - 1) | (blocks ? 2 : 4) << 8;
	return 1;
}

static uint32_t
commands_make_execute(struct item *items)
{
	uint8_t bytes[2 * 32 + 64] = { 0 };
	struct range *ranges = (struct range *)bytes;
	uint32_t data = below(64);

	ranges[0] = (struct range){ SLM, 4 * (1 + below(16384)), 4 * below(4096), { 0 } };
	ranges[1] = (struct range){ SLM, 4 * (64 + below(16384)), 0x80000 + 4 * below(4096), { 0 } };
	if (one_in(3)) {
		host_make(&items[0], commands_io_queue(), 0x01, COMPUTE, NULL, 0, 0);
		items[0].command.dw2 = below(6) | (1 + below(4)) << 16;
	} else {
		host_make(&items[0], commands_io_queue(), 0x01, COMPUTE, bytes, 64 + data, 0);
		items[0].command.dw2 = below(6);
		items[0].command.dw3 = 2;
		items[0].command.dw4 = one_in(2) ? 64 + data : 0;
	}
	items[0].command.dw10 = below(1000);
	return 1;
}

static uint32_t
commands_make_scan(struct item *items)
{
	uint32_t count = 1 + below(3), i;

	for (i = 0; i < count; i++) {
		host_make(&items[i], commands_io_queue(), 0x82, COMPUTE, NULL, 0, one_in(4) ? 131072 : 4096);
		items[i].command.dw2 = below(6);
		items[i].command.dw3 = NVM | (one_in(4) ? 1 + below(4) : 0) << 16;
		items[i].command.dw10 = below(1 << 20);
		items[i].command.dw12 = below((1 << 20) - items[i].command.dw10 + 1);
		items[i].command.dw14 = below(1000);
	}
	if (one_in(3)) {
		/* Abort one of them */
		host_make(&items[count], 0, 0x08, 0, NULL, 0, 0);
		items[count].command.dw10 = commands_io_queue() | below(4) << 16;
		count++;
	}
	return count;
}

static uint32_t
commands_make_query(struct item *items)
{
	static const uint8_t logs[] = { 0x82, 0x83, 0x84, 0xc0, 0xc1, 0xd1, 0xd2, 0x00, 0x05, 0x12, 0x1a, 0x1b };
	static const uint8_t cns[] = { 0x00, 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x08, 0x1c };
	uint32_t length = 4 * (1 + below(1024));

	uint8_t log = logs[below(sizeof(logs))];

	/* Those below 82h are the controller's. */
	host_make(&items[0], 0, 0x02, log < 0x82 ? 0 : COMPUTE, NULL, 0, length);
	items[0].command.dw10 = log | (one_in(4) ? 1u << 8 : 0) | (length / 4 - 1) << 16;
	items[0].command.dw11 = below(6) << 16;
	items[0].command.dw12 = one_in(3) ? 4 * below(512) : 0;
	items[0].command.dw14 = (uint32_t)below(5) << 24;
	host_make(&items[1], 0, 0x06, 1 + below(3), NULL, 0, 4096);
	items[1].command.dw10 = cns[below(sizeof(cns))];
	items[1].command.dw11 = (uint32_t)below(5) << 24;
	return 2;
}

static uint32_t
commands_make_nvm(struct item *items)
{
	uint8_t bytes[8192];
	uint32_t i;

	for (i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)draw();
	}
	host_make(&items[0], commands_io_queue(), 0x01, NVM, bytes, sizeof(bytes), 0);
	host_make(&items[1], commands_io_queue(), 0x02, NVM, NULL, 0, sizeof(bytes));
	for (i = 0; i < 2; i++) {
		items[i].command.dw10 = below(255);
		items[i].command.dw12 = 1;
	}
	return 2;
}

/* Compare and Write as one, after the data that Compare finds; or a half of it alone, or twice. */
static uint32_t
commands_make_fused(struct item *items)
{
	uint32_t queue = commands_io_queue(), block = below(255), count = 2, i;
	uint8_t bytes[2][4096];

	for (i = 0; i < sizeof(bytes); i++) {
		bytes[i / 4096][i % 4096] = (uint8_t)draw();
	}
	host_make(&items[0], queue, 0x01, NVM, bytes[0], 4096, 0);
	host_make(&items[1], queue, 0x05, NVM, bytes[0], 4096, 0);
	items[1].command.flags |= 1;
	if (!one_in(4)) {
		host_make(&items[count], queue, 0x01, NVM, bytes[1], 4096, 0);
		items[count++].command.flags |= one_in(8) ? 1 : 2;
	}
	for (i = 0; i < count; i++) {
		items[i].command.dw10 = block;
	}
	return count;
}

static uint32_t
commands_make(struct item *items)
{
	static uint32_t (*const makers[])(struct item *items) = {
		commands_make_load, commands_make_unload, commands_make_range_set, commands_make_slm, commands_make_copy, commands_make_execute, commands_make_execute, commands_make_scan, commands_make_scan,
		commands_make_query, commands_make_nvm, commands_make_fused,
	};

	return makers[below(sizeof(makers) / sizeof(makers[0]))](items);
}

static void
commands_mutate_data(struct item *item)
{
	uint32_t i, changes = 1 + below(8);

	if (item->data_bytes == 0) {
		return;
	}
	for (i = 0; i < changes; i++) {
		uint32_t at = below(item->data_bytes);

		if (one_in(2) || item->data_bytes < 8) {
			item->data[at] ^= (uint8_t)(1u << below(8));
		} else {
			uint32_t value = border();

			memcpy(item->data + (at & ~3u) % (item->data_bytes - 4), &value, sizeof(value));
		}
	}
}

static void
commands_mutate_transfer(struct item *item)
{
	uint32_t bytes;

	switch (below(4)) {
	case 0:		/* more or fewer bytes, truthfully */
		bytes = one_in(30) ? below(DATA_BYTES) : below(8192);
		item->data = realloc(item->data, bytes + 1);
		if (bytes > item->data_bytes) {
			fill(item->data + item->data_bytes, bytes - item->data_bytes);
		}
		item->data_bytes = bytes;
		item->command.sgl_length = bytes;
		item->command.sgl_type = bytes > 0 && bytes <= IN_CAPSULE ? SGL_IN_CAPSULE : SGL_TRANSPORT;
		break;
	case 1:
		item->command.sgl_length = one_in(30) ? border() : below(one_in(20) ? MAX_TRANSFER : 128u << 10);
		break;
	case 2:
		if (one_in(30)) {
			item->command.sgl_type = (uint8_t)draw();
		} else if (item->data_bytes > 0) {
			item->command.sgl_type = SGL_TRANSPORT;
		}
		break;
	default:
		if (item->command.sgl_type == SGL_TRANSPORT || one_in(30)) {
			item->command.sgl_address = border();
		}
	}
}

/*
 * What would make the rest of the run worthless, or belongs to SPDK alone: reservations keep the data from whoever
 * checks them afterwards, a disabled controller answers nothing any more.
 */
static bool
commands_harmful(const struct item *item)
{
	uint8_t opcode = item->command.opcode;

	if (item->queue == 0) {
		return opcode == 0x7f || opcode == 0x09;
	}
	return opcode == 0x7f || opcode == 0x0d || opcode == 0x0e || opcode == 0x11 || opcode == 0x15;
}

static void
commands_mutate(struct item *item)
{
	static const uint8_t opcodes[] = {
		0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08, 0x09, 0x0a, 0x0c, 0x0d, 0x10, 0x18, 0x19, 0x82, 0x85, 0x88, 0x89,
	};
	uint32_t *dword = (uint32_t *)&item->command;
	uint32_t changes = 1 + below(3), field;

	while (changes-- > 0) {
		switch (below(12)) {
		case 0:
			item->command.opcode = one_in(4) ? (uint8_t)draw() : opcodes[below(sizeof(opcodes))];
			break;
		case 1:
			item->command.nsid = one_in(2) ? below(5) : border();
			break;
		case 2:
			item->queue = below(HOST_QUEUES);
			break;
		case 3:
			commands_mutate_transfer(item);
			break;
		case 4:
		case 5:
			commands_mutate_data(item);
			break;
		case 6:
			if (one_in(8)) {
				item->command.flags = (uint8_t)draw();
			}
			break;
		default:
			/* DW2-4 and DW10-15 */
			field = below(9);
			field = field < 3 ? 2 + field : 7 + field;
			if (one_in(2)) {
				dword[field] = border();
			} else if (one_in(2)) {
				dword[field] ^= 1u << below(32);
			} else {
				dword[field] += below(9) - 4;
			}
		}
	}
	if (commands_harmful(item)) {
		item->command.opcode = 0x82;
	}
	/* SPDK's transport takes data in the capsule of any other opcode for the next PDU. */
	if ((item->command.opcode & 3) != 1 && item->command.sgl_type == SGL_IN_CAPSULE) {
		item->command.sgl_type = SGL_TRANSPORT;
	}
}

/* Programs in slots, some range sets: what most streams work on. */
static void
commands_prepare(void)
{
	struct item items[8];
	uint32_t slot, i, count;

	for (slot = 0; slot < 6; slot++) {
		uint32_t which = slot % fuzz.programs;

		host_make(&items[0], 0, 0x85, COMPUTE, fuzz.program[which].bytes, fuzz.program[which].length, 0);
		items[0].command.dw10 = slot | 1 << 16;
		items[0].command.dw11 = items[0].command.dw14 = fuzz.program[which].length;
		host_send(&commands_host, &items[0]);
		host_settle(&commands_host);
		host_make(&items[0], 0, 0x88, COMPUTE, NULL, 0, 0);
		items[0].command.dw10 = slot | 1 << 16;
		host_send(&commands_host, &items[0]);
		host_settle(&commands_host);
	}
	for (i = 0; i < 4; i++) {
		count = commands_make_range_set(items);
		while (count-- > 0) {
			host_send(&commands_host, &items[count]);
		}
		host_settle(&commands_host);
	}
}

void
commands_begin(void)
{
	host_init(&commands_host, &fuzz.commands, 0xfe);
}

void
commands_stream(void)
{
	struct item items[8];
	uint32_t count, i;
	uint64_t begin = chance;

	if (!commands_host.connected || fuzz.stream % FRESH_STREAMS < 2) {
		host_settle(&commands_host);
		host_connect(&commands_host);
		commands_prepare();
		/* Whether there was something to prepare is no part of the stream. */
		chance = begin;
	}
	count = commands_make(items);
	for (i = 0; i < count; i++) {
		if (!one_in(3)) {
			commands_mutate(&items[i]);
		}
		host_send(&commands_host, &items[i]);
		if (one_in(16)) {
			host_settle(&commands_host);
		}
	}
	/* Sometimes the next stream comes on top of this one; sometimes the host goes away in the middle. */
	if (one_in(200)) {
		fuzz.seen.cut++;
		host_disconnect(&commands_host);
	} else if (!one_in(3)) {
		host_settle(&commands_host);
	}
}

void
commands_end(void)
{
	host_settle(&commands_host);
	host_disconnect(&commands_host);
}
