/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Reservation Register, Acquire, Release and Report, on a namespace that is there for nothing else. */
#include <string.h>

#include "chance.h"
#include "streams.h"

#define CONTESTED	4

void
reservation_any(struct script *script, enum kind kind)
{
	static const uint8_t opcodes[] = { 0x0d, 0x0d, 0x11, 0x15, 0x0e };
	struct command command = { .opcode = one_of(opcodes), .nsid = one_in(16) ? below(6) : CONTESTED };
	/* Current key, new key or the one to preempt */
	uint64_t keys[2] = { one_in(3) ? below(3) : 7, one_in(3) ? below(3) : 7 };
	uint8_t bytes[64] = { 0 };
	uint32_t length = one_in(8) ? below(sizeof(bytes)) : command.opcode == 0x15 ? 8 : 16;

	(void)kind;
	if (command.opcode == 0x0e) {
		uint32_t dwords = one_in(3) ? border() : below(2048);

		command.dw10 = dwords;
		command.dw11 = below(2) | (one_in(8) ? border() : 0);
		script_room(script, &command, one_in(3) ? border() & 0x1ffff : 4 * (dwords + 1) & 0xfffff);
		return;
	}
	memcpy(bytes, keys, sizeof(keys));
	/* Action, IEKEY, type, CPTPL */
	command.dw10 = below(4) | below(2) << 3 | below(8) << 8 | below(4) << 30;
	if (one_in(8)) {
		command.dw10 ^= 1u << below(32);
	}
	script_command(script, &command, bytes, length);
}
