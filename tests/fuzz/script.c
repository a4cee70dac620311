/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <stdio.h>
#include <string.h>

#include "chance.h"
#include "digest.h"
#include "script.h"

void
script_begin(struct script *script, struct link *link)
{
	script->link = link;
	script->digests = link->digests;
	script->pdus = 0;
	script->used = 0;
	script->cntlid = 0;
	script->is_io = false;
	/* Mostly like those of a fresh queue, so that guesses of other PDUs hit. */
	script->cid = one_in(8) ? (uint16_t)draw() : 0;
}

void
script_add(struct script *script, void *header, uint32_t hlen, const void *data, uint32_t bytes)
{
	uint32_t i = script->pdus;

	if (i == SCRIPT_PDUS || SCRIPT_BYTES - script->used < hlen + bytes + 8) {
		return;
	}
	script->at[i] = script->bytes + script->used;
	script->length[i] = link_make(script->digests, script->at[i], header, hlen, data, bytes);
	script->used += script->length[i];
	script->pdus++;
}

void
script_command(struct script *script, struct command *command, const void *data, uint32_t bytes)
{
	struct capsule capsule = { .pdu = { .type = PDU_COMMAND } };
	bool inside = bytes <= 2 * IN_CAPSULE && !one_in(3);

	command->flags |= 0x40;
	command->cid = one_in(30) ? (uint16_t)below(4) : script->cid++;
	command->sgl_length = bytes;
	command->sgl_type = inside && bytes > 0 ? SGL_IN_CAPSULE : SGL_TRANSPORT;
	capsule.command = *command;
	script_add(script, &capsule, sizeof(capsule), data, inside ? bytes : 0);
}

void
script_room(struct script *script, struct command *command, uint32_t room)
{
	struct capsule capsule = { .pdu = { .type = PDU_COMMAND } };

	command->flags |= 0x40;
	command->cid = one_in(30) ? (uint16_t)below(4) : script->cid++;
	command->sgl_length = room;
	command->sgl_type = SGL_TRANSPORT;
	capsule.command = *command;
	script_add(script, &capsule, sizeof(capsule), NULL, 0);
}

/* ---- mutation */

static void
script_poke(uint8_t *at, uint32_t width)
{
	uint32_t value = border(), bit = below(8 * width);

	switch (below(3)) {
	case 0:
		memcpy(at, &value, width);
		break;
	case 1:
		at[bit / 8] ^= (uint8_t)(1u << bit % 8);
		break;
	default:
		memcpy(&value, at, width);
		value += below(17) - 8;
		memcpy(at, &value, width);
	}
}

static void
script_mutate_header(uint8_t *pdu)
{
	static const uint8_t types[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xff };

	switch (below(6)) {
	case 0:
		pdu[0] = one_of(types);
		break;
	case 1:
		pdu[1] = one_in(2) ? pdu[1] ^ (uint8_t)(1u << below(8)) : (uint8_t)draw();
		break;
	case 2:
		script_poke(pdu + 2, 1);
		break;
	case 3:
		script_poke(pdu + 3, 1);
		break;
	default:
		script_poke(pdu + 4, 4);
	}
}

static void
script_mutate_sgl(uint8_t *command)
{
	static const uint8_t types[] = { 0x01, 0x5a, 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x0a, 0x11 };

	switch (below(3)) {
	case 0:
		script_poke(command + 24, 4);
		break;
	case 1:
		script_poke(command + 32, 4);
		break;
	default:
		command[39] = one_in(4) ? (uint8_t)draw() : one_of(types);
	}
}

void
script_mutate_pdu(uint8_t *pdu, uint32_t length)
{
	uint32_t changes = 1 + below(3), psh = length < 72 ? length : 72;

	while (changes-- > 0) {
		switch (below(8)) {
		case 0:
		case 1:
			script_mutate_header(pdu);
			break;
		case 2:
			if (length >= 72 && pdu[0] == PDU_COMMAND) {
				script_mutate_sgl(pdu + 8);
				break;
			}
			/* fall through */
		case 3:
		case 4:
			/* A field behind the common header, of two or four bytes */
			if (psh > 12) {
				script_poke(pdu + 8 + 2 * below((psh - 10) / 2), one_in(2) ? 2 : 4);
			}
			break;
		case 5:
			pdu[below(length)] ^= (uint8_t)(1u << below(8));
			break;
		case 6:
			/* What is behind the header: Connect's data, a digest */
			if (length > 80) {
				script_poke(pdu + 72 + below(length - 76), 4);
			}
			break;
		default:
			pdu[length - 1 - below(length < 8 ? length : 8)] ^= (uint8_t)draw();
		}
	}
}

/* A changed header with the digest that belongs to it: what is behind the check of digests has to be reached. */
static void
script_sign(const struct script *script, uint8_t *pdu, uint32_t length)
{
	uint32_t hlen = pdu[2], value;

	if ((script->digests & 1) && pdu[0] != PDU_ICREQ && hlen + 4 <= length && !one_in(4)) {
		value = digest(pdu, hlen);
		memcpy(pdu + hlen, &value, 4);
	}
}

static void
script_swap(struct script *script, uint32_t one, uint32_t other)
{
	uint8_t *at = script->at[one];
	uint32_t length = script->length[one];

	script->at[one] = script->at[other];
	script->length[one] = script->length[other];
	script->at[other] = at;
	script->length[other] = length;
}

void
script_mutate(struct script *script)
{
	uint32_t i, other;

	for (i = 0; i < script->pdus; i++) {
		if (one_in(3) && script->length[i] >= sizeof(struct pdu)) {
			script_mutate_pdu(script->at[i], script->length[i]);
			script_sign(script, script->at[i], script->length[i]);
		}
		if (one_in(24)) {
			/* Shorter than it says */
			script->length[i] -= below(script->length[i] + 1);
		}
		if (one_in(24)) {
			script_swap(script, i, below(script->pdus));
		}
		if (one_in(24)) {
			/* Another one once more, in place of this one */
			other = below(script->pdus);
			script->at[i] = script->at[other];
			script->length[i] = script->length[other];
		}
	}
}

/* ---- sending */

static void
script_say(const struct script *script, uint32_t i)
{
	uint32_t at;

	fprintf(stderr, "stream %llu, %u bytes:", (unsigned long long)fuzz.stream, script->length[i]);
	for (at = 0; at < script->length[i] && at < 80; at++) {
		fprintf(stderr, "%s%02x", at % 8 == 0 ? " " : "", script->at[i][at]);
	}
	fprintf(stderr, "\n");
}

bool
script_send(struct script *script)
{
	static uint8_t out[SCRIPT_BYTES * 2];
	uint32_t length = 0, at = 0, pieces = one_in(2) ? 1 : 1 + below(6), i;

	for (i = 0; i < script->pdus && sizeof(out) - length > script->length[i]; i++) {
		struct capsule capsule;

		memcpy(out + length, script->at[i], script->length[i]);
		length += script->length[i];
		if (script->length[i] >= sizeof(capsule) && script->at[i][0] == PDU_COMMAND) {
			memcpy(&capsule, script->at[i], sizeof(capsule));
			script->link->sent[capsule.command.cid % LINK_TOLD] = capsule.command;
			fuzz.seen.commands++;
		}
		if (fuzz.verbose) {
			script_say(script, i);
		}
	}
	fuzz.seen.pdus += script->pdus;
	if (one_in(10)) {
		/* Not to the end */
		length -= below(length + 1);
	}
	for (; pieces > 0 && length > 0; pieces--) {
		uint32_t part = pieces == 1 ? length : below(one_in(2) ? length + 1 : 100) % (length + 1);

		if (part > 0 && !link_put(script->link, out + at, part)) {
			return false;
		}
		at += part;
		length -= part;
	}
	return true;
}
