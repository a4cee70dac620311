/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* ICReq and Connect, with any field. */
#include <stdio.h>
#include <string.h>

#include "chance.h"
#include "streams.h"

/* Added to the name of the open subsystem: one that comes and goes. */
#define CONNECT_PASSING	"-passing"
#define HOST_IDS	20	/* more than the target keeps registrants of */

void
connect_hello(struct script *script)
{
	struct icreq icreq = { .pdu = { .type = PDU_ICREQ } };

	icreq.digests = one_in(3) ? (uint8_t)below(4) : 0;
	if (one_in(6)) {
		icreq.hpda = (uint8_t)border();
	}
	if (one_in(6)) {
		icreq.maxr2t = border();
	}
	if (one_in(20)) {
		icreq.pfv = (uint16_t)border();
	}
	if (one_in(20)) {
		icreq.digests = (uint8_t)draw();
	}
	/* What is sent behind it has the digests that it asks for. */
	script_add(script, &icreq, sizeof(icreq), NULL, 0);
	script->digests = icreq.digests & 3;
}

void
connect_data_right(struct connect_data *data, enum kind kind)
{
	memset(data, 0, sizeof(*data));
	memset(data->hostid, 0x40 + (int)below(HOST_IDS), sizeof(data->hostid));
	data->cntlid = 0xffff;
	snprintf(data->subnqn, sizeof(data->subnqn), "%s%s", kind == KIND_GUEST ? fuzz.open.subnqn : DISCOVERY_NQN,
		 kind == KIND_GUEST && one_in(6) ? CONNECT_PASSING : "");
	snprintf(data->hostnqn, sizeof(data->hostnqn), "%s", fuzz.open.hostnqn);
}

static void
connect_any_nqn(char *nqn, uint32_t room)
{
	/* Never the secret's host: as long as names are all that a host shows, it would be that host. */
	const char *const names[] = {
		DISCOVERY_NQN, fuzz.open.subnqn, fuzz.open.hostnqn, fuzz.secret.subnqn, fuzz.commands.subnqn, "", "nqn.",
		"nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-000000000000",
	};

	switch (below(4)) {
	case 0:
		/* Without an end */
		fill(nqn, room);
		break;
	case 1:
		memset(nqn, 'n', room);
		break;
	default:
		snprintf(nqn, room, "%s", one_of(names));
	}
}

static void
connect_mutate_data(struct connect_data *data)
{
	switch (below(6)) {
	case 0:
		connect_any_nqn(data->subnqn, sizeof(data->subnqn));
		break;
	case 1:
		connect_any_nqn(data->hostnqn, sizeof(data->hostnqn));
		break;
	case 2:
		data->cntlid = one_in(2) ? (uint16_t)below(16) : (uint16_t)border();
		break;
	case 3:
		fill(data->hostid, sizeof(data->hostid));
		break;
	case 4:
		memset(data->hostid, 0, sizeof(data->hostid));
		break;
	default:
		fill(data, one_in(2) ? 256 : sizeof(*data));
	}
}

void
connect_queue(struct script *script, enum kind kind)
{
	static const uint32_t lengths[] = { 0, 1, 16, 255, 256, 257, 512, 600, 768, 1023, 1024, 1025, 2048, 4096, 8192 };
	static const uint16_t sizes[] = { 0, 1, 2, 31, 127, 128, 1023, 0x7fff, 0xffff };
	struct command command = { .opcode = FABRICS, .nsid = CONNECT, .dw11 = 31 };
	uint8_t bytes[8192] = { 0 };
	struct connect_data data;
	uint32_t length = sizeof(data);

	connect_data_right(&data, kind);
	if (script->is_io) {
		data.cntlid = script->cntlid;
		command.dw10 = 1u << 16;
	}
	if (one_in(3)) {
		connect_mutate_data(&data);
	}
	if (one_in(8)) {
		command.dw10 = below(4) << 16 | (one_in(4) ? below(3) : 0);
	}
	if (one_in(8)) {
		command.dw10 = border() << 16;
	}
	if (one_in(6)) {
		command.dw11 = one_of(sizes) | below(4) << 16;
	}
	if (one_in(4)) {
		command.dw12 = one_in(4) ? border() : 1 + below(3000);
	}
	if (one_in(8)) {
		length = one_of(lengths);
	}
	memcpy(bytes, &data, sizeof(data));
	script_command(script, &command, bytes, length);
}
