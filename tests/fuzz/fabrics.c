/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Property Set and Get with any offset, and what else has the fabrics opcode. */
#include "chance.h"
#include "streams.h"

void
fabrics_enable(struct script *script, enum kind kind)
{
	struct command command = { .opcode = FABRICS, .nsid = PROPERTY_SET, .dw11 = REGISTER_CC };

	command.dw12 = kind == KIND_GUEST ? 0x00460061 : 0x00460001;
	script_room(script, &command, 0);
}

void
fabrics_any(struct script *script, enum kind kind)
{
	static const uint32_t offsets[] = { 0x00, 0x04, 0x08, 0x0c, 0x14, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x38, 0x58, 0x68, 0x1000 };
	static const uint32_t cc[] = {
		0x00460001, 0x00460061, 0x00460000, 0x00464001, 0x00468001, 0x0046c001, 0x00464000, 0x00000001, 0x00460011,
		0x00460071, 0xffffffff, 0,
	};
	struct command command = { .opcode = FABRICS };

	switch (below(8)) {
	case 0:
	case 1:
		command.nsid = PROPERTY_SET;
		command.dw11 = REGISTER_CC;
		command.dw12 = one_of(cc);
		break;
	case 2:
	case 3:
		command.nsid = PROPERTY_SET;
		command.dw11 = one_in(3) ? border() : one_of(offsets);
		command.dw12 = border();
		command.dw13 = one_in(4) ? border() : 0;
		break;
	case 4:
	case 5:
		command.nsid = PROPERTY_GET;
		command.dw11 = one_in(3) ? border() : one_of(offsets);
		break;
	case 6:
		connect_queue(script, kind);
		return;
	default:
		/* Disconnect, Authentication, and what there is not */
		command.nsid = one_in(2) ? below(10) : (uint8_t)draw();
		command.dw10 = border();
		script_room(script, &command, one_in(2) ? 0 : below(8192));
		return;
	}
	command.dw10 = one_in(4) ? border() : below(3);
	script_room(script, &command, one_in(8) ? border() : 0);
}
