/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Connections that send what they like. Each stream has one or two of its own; they stay for a while, beside those of later
 * streams, get what the target sends, answer its R2Ts well or badly, and then go in one way or another.
 */
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "chance.h"
#include "streams.h"

#define GUESTS		8
#define GUEST_LINKS	2		/* admin queue, and an I/O queue of its controller */
#define GUEST_PUT_MS	20
#define GUEST_LAST_MS	50

struct guest {
	struct link link[GUEST_LINKS];
	uint64_t chance;
	bool well;			/* answers R2Ts as it should */
};

static struct guest guests[GUESTS];
static struct script script;

/* ---- what comes back */

static bool
guest_answer_r2t(struct guest *guest, struct link *link, const uint8_t *raw)
{
	static uint8_t bytes[1 << 20], out[(1 << 20) + 32];
	struct data_pdu r2t, h2c = { .pdu = { .type = PDU_H2C_DATA, .flags = FLAG_LAST } };
	uint32_t part, length;

	memcpy(&r2t, raw, sizeof(r2t));
	if (r2t.length > sizeof(bytes)) {
		give_up_of(link->stream, "an R2T of %u bytes", r2t.length);
	}
	if (one_in(6)) {
		/* Never, or not yet */
		return true;
	}
	fill(bytes, r2t.length < 4096 ? r2t.length : 4096);
	h2c.cid = r2t.cid;
	h2c.ttag = r2t.ttag;
	h2c.offset = r2t.offset;
	h2c.length = r2t.length;
	if (!guest->well && one_in(2)) {
		/* A part of it first */
		part = r2t.length > 8 ? 4 * (1 + below(r2t.length / 4 - 1)) : r2t.length;
		h2c.pdu.flags = 0;
		h2c.length = part;
		length = link_make(link->digests, out, &h2c, sizeof(h2c), bytes, part);
		if (!link_put(link, out, length)) {
			return false;
		}
		h2c.pdu.flags = FLAG_LAST;
		h2c.offset = one_in(4) ? border() : r2t.offset + part;
		h2c.length = one_in(4) ? border() : r2t.length - part;
		part = r2t.length - part;
	} else {
		part = r2t.length;
	}
	length = link_make(link->digests, out, &h2c, sizeof(h2c), bytes, part);
	if (!guest->well && one_in(2)) {
		script_mutate_pdu(out, length);
	}
	return link_put(link, out, length);
}

static bool
guest_take(void *context, struct link *link, const uint8_t *raw, const uint8_t *data, uint32_t bytes)
{
	struct response response;

	(void)data;
	(void)bytes;
	if (raw[0] == PDU_RESPONSE) {
		memcpy(&response, raw, sizeof(response));
		count_status(response.status >> 1);
	}
	return raw[0] != PDU_C2H_TERM && (raw[0] != PDU_R2T || guest_answer_r2t(context, link, raw));
}

static void
guest_look_at(struct guest *guest)
{
	uint64_t others = chance;
	uint32_t i;

	chance = guest->chance;
	for (i = 0; i < GUEST_LINKS; i++) {
		if (guest->link[i].fd >= 0 && !link_take(&guest->link[i], guest_take, guest)) {
			link_close(&guest->link[i], false);
		}
	}
	guest->chance = chance;
	chance = others;
}

void
guest_look(void)
{
	uint32_t i;

	for (i = 0; i < GUESTS; i++) {
		guest_look_at(&guests[i]);
	}
}

/* ---- how it goes */

static void
guest_leave(struct guest *guest)
{
	uint32_t i;

	guest_look_at(guest);
	for (i = 0; i < GUEST_LINKS; i++) {
		struct link *link = &guest->link[i];

		if (link->fd >= 0 && guest->chance % 4 == 0) {
			/* Nothing more comes from it, but it still listens. */
			shutdown(link->fd, SHUT_WR);
			link_wait(link, 1);
			guest_look_at(guest);
		}
		link_close(link, guest->chance % 4 == 1);
	}
}

/* ---- what it does */

static bool
guest_enter(struct guest *guest, enum kind kind, uint16_t *cntlid)
{
	struct command command = { .dw11 = 31, .dw12 = one_in(16) ? 1 + below(3000) : 0 };
	uint8_t digests = one_in(3) ? (uint8_t)below(4) : 0;
	struct connect_data data;
	int64_t number;

	if (!link_dial(&guest->link[0], fuzz.open.port, digests)) {
		return false;
	}
	if (kind == KIND_STRANGER) {
		return true;
	}
	connect_data_right(&data, kind);
	number = link_connect(&guest->link[0], &command, &data);
	if (number < 0 || !link_enable(&guest->link[0], kind == KIND_GUEST ? 0x00460061 : 0x00460001)) {
		fuzz.seen.turned_away++;
		return false;
	}
	*cntlid = (uint16_t)number;
	if (kind == KIND_GUEST && !one_in(3)) {
		struct command io = { .dw10 = 1u << 16, .dw11 = 31 };

		data.cntlid = *cntlid;
		return link_dial(&guest->link[1], fuzz.open.port, digests) &&
		       link_connect(&guest->link[1], &io, &data) >= 0;
	}
	return true;
}

static void
guest_add_any(enum kind kind, uint32_t count)
{
	while (count-- > 0) {
		if (one_in(5)) {
			pdu_any(&script, kind);
		} else if (script.is_io) {
			io_any(&script, kind);
		} else if (one_in(4)) {
			fabrics_any(&script, kind);
		} else {
			admin_any(&script, kind);
		}
	}
}

/* All of it in one script, ICReq and Connect as well: nothing is waited for. */
static void
guest_rush(struct guest *guest, enum kind kind)
{
	struct link *link = &guest->link[0];

	if (!link_open(link, fuzz.open.port)) {
		return;
	}
	link->io = true;
	script_begin(&script, link);
	if (!one_in(20)) {
		connect_hello(&script);
	}
	if (kind != KIND_STRANGER && !one_in(20)) {
		connect_queue(&script, kind);
		if (!one_in(8)) {
			fabrics_enable(&script, kind);
		}
	}
	guest_add_any(kind, below(8));
	script_mutate(&script);
	script_send(&script);
}

static void
guest_stay(struct guest *guest, enum kind kind)
{
	uint16_t cntlid = 0;
	uint32_t i;

	if (!guest_enter(guest, kind, &cntlid)) {
		return;
	}
	guest->link[0].io = false;
	guest->link[1].io = true;
	for (i = GUEST_LINKS; i-- > 0;) {
		struct link *link = &guest->link[i];

		if (link->fd < 0 || (i == 0 && guest->link[1].fd >= 0 && !one_in(3))) {
			continue;
		}
		script_begin(&script, link);
		script.is_io = i > 0;
		script.cntlid = cntlid;
		guest_add_any(kind, 1 + below(8));
		if (!one_in(4)) {
			script_mutate(&script);
		}
		if (!script_send(&script)) {
			link_close(link, false);
		}
	}
}

void
guest_begin(void)
{
	uint32_t i, j;

	for (i = 0; i < GUESTS; i++) {
		for (j = 0; j < GUEST_LINKS; j++) {
			guests[i].link[j].fd = -1;
			guests[i].link[j].put_ms = GUEST_PUT_MS;
		}
	}
}

void
guest_stream(enum kind kind)
{
	struct guest *guest = &guests[fuzz.stream % GUESTS];

	guest_leave(guest);
	guest->well = one_in(2);
	if (one_in(3)) {
		guest_rush(guest, kind);
	} else {
		guest_stay(guest, kind);
	}
	guest->chance = draw();
}

void
guest_end(void)
{
	uint32_t i;

	usleep(GUEST_LAST_MS * 1000);
	guest_look();
	usleep(GUEST_LAST_MS * 1000);
	for (i = 0; i < GUESTS; i++) {
		guest_leave(&guests[i]);
	}
	link_pool_close();
}
