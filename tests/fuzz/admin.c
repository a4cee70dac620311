/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Get Log Page, Identify and Features with any length and offset; events, Abort, and whatever else an admin queue takes. */
#include "chance.h"
#include "streams.h"

static uint32_t
admin_nsid(void)
{
	return one_in(6) ? border() : one_in(2) ? below(7) : 0xffffffff * below(2);
}

static void
admin_log(struct script *script)
{
	static const uint8_t logs[] = {
		0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0c, 0x0d, 0x12, 0x1a, 0x1b, 0x70, 0x70, 0x70, 0x70, 0x80, 0x81,
		0x82, 0x83, 0x84, 0xc0, 0xc1, 0xc2, 0xd0, 0xd1, 0xd2,
	};
	static const uint32_t high[] = { 0, 0, 0, 1, 0x4000, 0x7fff, 0x80000000, 0xffffffff };
	struct command command = { .opcode = 0x02, .nsid = admin_nsid() };
	uint32_t length = 4 * (1 + below(one_in(8) ? 32768 : 1024));

	command.dw10 = (one_in(16) ? (uint8_t)draw() : one_of(logs)) | below(1u << 8) << 8 | (length / 4 - 1) << 16;
	command.dw11 = one_in(3) ? border() : 0;
	if (one_in(2)) {
		command.dw12 = one_in(2) ? border() : 4 * below(2048);
		command.dw13 = one_of(high);
	}
	command.dw14 = one_in(2) ? 0 : below(8) << 24 | below(2) << 23 | below(128);
	/* As long as it says, or not */
	script_room(script, &command, one_in(4) ? border() : one_in(4) ? below(140000) : length);
}

static void
admin_identify(struct script *script)
{
	struct command command = { .opcode = 0x06, .nsid = admin_nsid() };

	command.dw10 = (one_in(3) ? (uint8_t)draw() : below(9)) | (one_in(4) ? border() << 16 : 0);
	command.dw11 = (one_in(2) ? below(6) : below(256)) << 24 | (one_in(4) ? (uint16_t)draw() : 0);
	script_room(script, &command, one_in(4) ? border() : 4096);
}

static void
admin_features(struct script *script)
{
	static const uint8_t features[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0e, 0x0f, 0x16, 0x80, 0x81, 0x82, 0x83, 0x84 };
	bool set = one_in(2);
	struct command command = { .opcode = set ? 0x09 : 0x0a, .nsid = admin_nsid() };
	uint8_t bytes[4096];
	uint32_t length = one_in(4) ? below(sizeof(bytes)) : 16 * below(3);

	command.dw10 = (one_in(8) ? (uint8_t)draw() : one_of(features)) | below(8) << 8 | below(2) << 31;
	command.dw11 = one_in(2) ? border() : below(0x10000);
	command.dw12 = one_in(4) ? border() : 0;
	fill(bytes, length);
	if (set) {
		script_command(script, &command, bytes, length);
	} else {
		script_room(script, &command, length);
	}
}

static void
admin_events(struct script *script)
{
	uint32_t count = 1 + below(6);

	while (count-- > 0) {
		struct command command = { .opcode = 0x0c };

		script_room(script, &command, one_in(8) ? border() : 0);
	}
}

static void
admin_abort(struct script *script)
{
	struct command command = { .opcode = 0x08 };

	/* Mostly one of those just sent */
	command.dw10 = (one_in(4) ? border() : below(3)) | (one_in(8) ? (uint32_t)draw() : below(script->cid + 1u)) << 16;
	script_room(script, &command, 0);
}

/* The drive's own, whose fields commands.c knows better, and anything else. */
static void
admin_other(struct script *script)
{
	static const uint8_t opcodes[] = { 0x18, 0x18, 0x85, 0x88, 0x89, 0x00, 0x01, 0x04, 0x05, 0x0d, 0x10, 0x11, 0x15, 0x19, 0x1d, 0x80, 0x81, 0x84 };
	struct command command = { .opcode = one_in(4) ? (uint8_t)draw() : one_of(opcodes), .nsid = admin_nsid() };
	uint8_t bytes[8192];
	uint32_t length = one_in(2) ? 0 : below(sizeof(bytes));

	command.flags = one_in(8) ? (uint8_t)draw() : 0;
	command.dw2 = one_in(2) ? border() : 0;
	command.dw10 = one_in(2) ? border() : below(8);
	command.dw11 = one_in(2) ? border() : below(8192);
	command.dw12 = one_in(2) ? border() : 0;
	command.dw14 = one_in(2) ? border() : length;
	command.dw15 = one_in(2) ? border() : 0;
	fill(bytes, length);
	if (command.opcode & 2) {
		script_room(script, &command, length);
	} else {
		script_command(script, &command, bytes, length);
	}
}

void
admin_any(struct script *script, enum kind kind)
{
	static void (*const makers[])(struct script *script) = {
		admin_log, admin_log, admin_log, admin_identify, admin_features, admin_events, admin_abort, admin_other,
	};

	(void)kind;
	one_of(makers)(script);
}
