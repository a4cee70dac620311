/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A row of PDUs that a connection is going to send, in which anything may then be changed. */
#ifndef FUZZ_SCRIPT_H
#define FUZZ_SCRIPT_H

#include "fuzz.h"
#include "link.h"

#define SCRIPT_PDUS	48
#define SCRIPT_BYTES	(512u << 10)

struct script {
	struct link *link;	/* which remembers its commands */
	uint8_t digests;	/* that its PDUs have */
	bool is_io;		/* for an I/O queue */
	uint16_t cntlid;	/* that the connection knows of, or 0 */
	uint16_t cid;
	uint32_t pdus;
	uint32_t length[SCRIPT_PDUS];
	uint8_t *at[SCRIPT_PDUS];
	uint32_t used;
	uint8_t bytes[SCRIPT_BYTES];
};

void script_begin(struct script *script, struct link *link);
/* Any PDU, made right. */
void script_add(struct script *script, void *header, uint32_t hlen, const void *data, uint32_t bytes);
/*
 * A command, with its data in the capsule where that is chosen; else with room for so many bytes, either way, which the
 * controller fetches or sends. The CID is the next one.
 */
void script_command(struct script *script, struct command *command, const void *data, uint32_t bytes);
void script_room(struct script *script, struct command *command, uint32_t room);
/* Changes some of it: fields, lengths, digests, order. */
void script_mutate(struct script *script);
/* In one piece, or cut anywhere; sometimes not to the end. False: the connection is over. */
bool script_send(struct script *script);

/* Changes one PDU of a connection. Its length on the wire stays: what PLEN says need not. */
void script_mutate_pdu(uint8_t *pdu, uint32_t length);

#endif
