/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* PDUs that are no commands: data that nobody asked for or that do not fit, terminations, types of the other side. */
#include <string.h>

#include "chance.h"
#include "streams.h"

static void
pdu_data(struct script *script)
{
	static uint8_t bytes[140000];
	struct data_pdu data = { .pdu = { .type = PDU_H2C_DATA, .flags = one_in(2) ? FLAG_LAST : 0 } };
	uint32_t length = one_in(4) ? below(sizeof(bytes)) : one_in(2) ? 4096 : below(4096);

	/* TTAGs begin at 1. */
	data.cid = one_in(4) ? (uint16_t)border() : (uint16_t)below(4);
	data.ttag = one_in(4) ? (uint16_t)border() : (uint16_t)below(6);
	data.offset = one_in(2) ? 0 : one_in(2) ? border() : 4096 * below(33);
	data.length = one_in(3) ? border() : length;
	fill(bytes, length);
	script_add(script, &data, sizeof(data), bytes, length);
}

/* A Write, and the data of its R2T without waiting for that, in parts whose sum wraps or which leave gaps. */
static void
pdu_data_in_advance(struct script *script)
{
	static const uint32_t lengths[] = { 4096, 131072, 262144, 1048576 };
	static uint8_t bytes[131068];
	struct command command = { .opcode = one_in(2) ? 0x01 : 0x05, .nsid = 1 };
	uint32_t total = one_of(lengths), at = 0, parts = 1 + below(3);
	uint16_t cid = script->cid;

	command.dw12 = total / 4096 - 1;
	script_room(script, &command, total);
	fill(bytes, sizeof(bytes));
	while (parts-- > 0) {
		struct data_pdu data = { .pdu = { .type = PDU_H2C_DATA }, .cid = cid, .ttag = one_in(4) ? (uint16_t)below(8) : 1 };
		uint32_t part = one_in(2) ? sizeof(bytes) : 1 + below(8192);

		data.offset = at;
		data.length = one_in(3) ? 0u - at + below(8192) : part;
		data.pdu.flags = parts == 0 ? FLAG_LAST : 0;
		script_add(script, &data, sizeof(data), bytes, part);
		at += part;
	}
}

static void
pdu_term(struct script *script)
{
	struct term_pdu term = { .pdu = { .type = one_in(4) ? PDU_C2H_TERM : PDU_H2C_TERM } };
	uint8_t bytes[200];
	uint32_t length = one_in(4) ? below(sizeof(bytes)) : 8 + below(121);

	term.status = one_in(2) ? (uint16_t)below(8) : (uint16_t)border();
	term.information[0] = (uint16_t)draw();
	fill(bytes, length);
	script_add(script, &term, sizeof(term), bytes, length);
}

/* Bytes behind a command that takes none, or takes them otherwise */
static void
pdu_capsule(struct script *script)
{
	static const uint8_t opcodes[] = { 0x00, 0x01, 0x02, 0x03, 0x06, 0x0c, 0x7f, 0x83, 0xff };
	static const uint8_t sgls[] = { SGL_IN_CAPSULE, SGL_TRANSPORT };
	struct capsule capsule = { .pdu = { .type = PDU_COMMAND } };
	uint8_t bytes[8400];
	uint32_t length = one_in(8) ? below(sizeof(bytes)) : one_in(2) ? below(64) : 0;

	capsule.command.opcode = one_of(opcodes);
	capsule.command.flags = 0x40;
	capsule.command.cid = script->cid++;
	capsule.command.nsid = below(5);
	capsule.command.sgl_type = one_of(sgls);
	capsule.command.sgl_length = one_in(2) ? length : border();
	capsule.command.sgl_address = one_in(4) ? border() : 0;
	fill(bytes, length);
	script_add(script, &capsule, sizeof(capsule), bytes, length);
}

/* More Writes than a queue has requests: none of them gets its data. */
static void
pdu_flood(struct script *script)
{
	uint32_t count = 1 + below(40);

	while (count-- > 0) {
		struct command command = { .opcode = 0x01, .nsid = 1, .dw12 = 0 };

		script_room(script, &command, 4096);
	}
}

void
pdu_any(struct script *script, enum kind kind)
{
	static void (*const makers[])(struct script *script) = {
		pdu_data, pdu_data_in_advance, pdu_term, pdu_capsule, pdu_capsule, pdu_flood,
	};

	(void)kind;
	if (one_in(8)) {
		connect_hello(script);
	} else {
		one_of(makers)(script);
	}
}
