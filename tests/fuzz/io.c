/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Commands of I/O queues, of any namespace: lengths that agree with the blocks or do not, ranges, fused pairs, copies. */
#include <string.h>

#include "chance.h"
#include "streams.h"

/* The namespaces 1 and 4 have blocks of 4096 and 512 bytes, 2 is SLM, 3 compute, 5 a null device. */
static uint32_t
io_nsid(void)
{
	static const uint8_t nsids[] = { 1, 1, 1, 4, 5, 2, 3 };

	return one_in(16) ? border() : one_of(nsids);
}

static uint32_t
io_block(uint32_t nsid)
{
	/* A namespace has 256 blocks: the borders are where reading on shows somebody else's. */
	return one_in(6) ? border() : one_in(3) ? 250 + below(8) : nsid == 4 ? below(2048) : below(256);
}

static void
io_blocks(struct script *script)
{
	static const uint8_t opcodes[] = { 0x02, 0x02, 0x02, 0x01, 0x01, 0x05, 0x08, 0x00, 0x0c, 0x04 };
	struct command command = { .opcode = one_of(opcodes), .nsid = io_nsid() };
	uint32_t size = command.nsid == 4 ? 512 : 4096, blocks = 1 + below(one_in(8) ? 256 : 4), length = blocks * size;
	static uint8_t bytes[128 << 10];

	command.dw10 = io_block(command.nsid);
	command.dw11 = one_in(16) ? border() : 0;
	command.dw12 = (blocks - 1) | (one_in(8) ? border() << 16 : 0);
	command.flags = one_in(16) ? (uint8_t)below(4) : 0;
	if (one_in(4)) {
		length = one_in(2) ? border() & 0x1fffff : below(140000);
	}
	if (command.opcode == 0x01 || command.opcode == 0x05) {
		if (length > sizeof(bytes)) {
			script_room(script, &command, length);
			return;
		}
		fill(bytes, length);
		script_command(script, &command, bytes, length);
	} else {
		script_room(script, &command, command.opcode == 0x02 || one_in(8) ? length : 0);
	}
}

static void
io_fused(struct script *script)
{
	struct command compare = { .opcode = 0x05, .flags = 1, .nsid = io_nsid(), .dw10 = below(256) }, write = compare;
	uint8_t bytes[4096];

	fill(bytes, sizeof(bytes));
	write.opcode = one_in(8) ? 0x02 : 0x01;
	write.flags = one_in(8) ? (uint8_t)below(4) : 2;
	write.nsid = one_in(8) ? io_nsid() : compare.nsid;
	script_command(script, &compare, bytes, sizeof(bytes));
	if (!one_in(4)) {
		script_command(script, &write, bytes, sizeof(bytes));
	}
}

static void
io_deallocate(struct script *script)
{
	struct {
		uint32_t attributes, length;
		uint64_t start;
	} ranges[256];
	struct command command = { .opcode = 0x09, .nsid = io_nsid() };
	uint32_t count = one_in(4) ? 256 : 1 + below(8), i;

	for (i = 0; i < count; i++) {
		ranges[i].attributes = 0;
		ranges[i].length = one_in(8) ? border() : below(64);
		ranges[i].start = one_in(8) ? border() : below(256);
	}
	command.dw10 = one_in(8) ? border() : count - 1;
	command.dw11 = one_in(4) ? border() : 4;
	script_command(script, &command, ranges, one_in(8) ? below(sizeof(ranges)) : count * 16);
}

/* SLM and compute, whose fields commands.c knows better, and whatever there is not. */
static void
io_other(struct script *script)
{
	static const uint8_t opcodes[] = { 0x01, 0x02, 0x04, 0x05, 0x82, 0x83, 0x0a, 0x19 };
	struct command command = { .opcode = one_in(4) ? (uint8_t)draw() : one_of(opcodes), .nsid = one_in(2) ? 2 + below(2) : io_nsid() };
	uint8_t bytes[8192];
	uint32_t length = 4 * below(sizeof(bytes) / 4);

	command.dw2 = one_in(3) ? border() : below(6);
	command.dw3 = one_in(3) ? border() : below(3);
	command.dw4 = one_in(3) ? border() : 0;
	command.dw10 = one_in(3) ? border() : 4 * below(4096);
	command.dw11 = one_in(8) ? border() : 0;
	command.dw12 = one_in(3) ? border() : length;
	command.dw13 = one_in(3) ? border() : 0;
	command.dw14 = one_in(3) ? border() : 0;
	fill(bytes, length);
	if (command.opcode & 2) {
		script_room(script, &command, length);
	} else {
		script_command(script, &command, bytes, length);
	}
}

void
io_any(struct script *script, enum kind kind)
{
	static void (*const makers[])(struct script *script) = {
		io_blocks, io_blocks, io_blocks, io_fused, io_deallocate, io_other,
	};

	if (one_in(4)) {
		reservation_any(script, kind);
	} else {
		one_of(makers)(script);
	}
}
