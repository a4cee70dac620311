/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "digest.h"
#include "fuzz.h"
#include "link.h"
#include "secret.h"

#define LINK_POOL	12
#define LINK_ROOM	(4u << 20)	/* more than the largest PDU of a transfer of 1 MiB */

/*
 * The target looks for new connections every 10 ms only. So that not each stream waits for that, those to the open place are
 * made in advance.
 */
static int link_pool[LINK_POOL];
static uint32_t link_pooled;

static int
link_connect_socket(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		return fd;
	}
	if (errno == ECONNREFUSED) {
		give_up("the target is gone: nobody listens on port %u", port);
	}
	close(fd);
	return -1;
}

static int
link_pool_take(uint16_t port)
{
	int fd;

	while (link_pooled < LINK_POOL) {
		link_pool[link_pooled++] = link_connect_socket(port);
	}
	fd = link_pool[0];
	link_pooled--;
	memmove(link_pool, link_pool + 1, link_pooled * sizeof(link_pool[0]));
	return fd;
}

void
link_pool_close(void)
{
	while (link_pooled > 0) {
		close(link_pool[--link_pooled]);
	}
}

bool
link_open(struct link *link, uint16_t port)
{
	link->fd = port == fuzz.open.port ? link_pool_take(port) : link_connect_socket(port);
	link->have = 0;
	link->digests = 0;
	link->stream = fuzz.stream;
	if (link->in == NULL) {
		link->in = malloc(LINK_ROOM);
	}
	if (link->fd < 0) {
		return false;
	}
	fuzz.seen.connections++;
	return true;
}

void
link_close(struct link *link, bool reset)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	if (link->fd < 0) {
		return;
	}
	if (reset) {
		setsockopt(link->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	}
	close(link->fd);
	link->fd = -1;
	link->have = 0;
}

uint32_t
link_make(uint8_t digests, uint8_t *out, void *header, uint32_t hlen, const void *data, uint32_t bytes)
{
	struct pdu pdu;
	uint32_t at = hlen, value;

	memcpy(&pdu, header, sizeof(pdu));
	pdu.hlen = (uint8_t)hlen;
	pdu.flags |= (digests & 1) && pdu.type != PDU_ICREQ ? FLAG_HEADER_DIGEST : 0;
	pdu.flags |= (digests & 2) && bytes > 0 ? FLAG_DATA_DIGEST : 0;
	at += pdu.flags & FLAG_HEADER_DIGEST ? 4 : 0;
	pdu.pdo = bytes > 0 ? (uint8_t)at : 0;
	pdu.plen = at + bytes + (pdu.flags & FLAG_DATA_DIGEST ? 4 : 0);
	memcpy(header, &pdu, sizeof(pdu));
	memcpy(out, header, hlen);
	if (pdu.flags & FLAG_HEADER_DIGEST) {
		value = digest(out, hlen);
		memcpy(out + hlen, &value, 4);
	}
	if (bytes > 0) {
		memcpy(out + at, data, bytes);
	}
	if (pdu.flags & FLAG_DATA_DIGEST) {
		value = digest(data, bytes);
		memcpy(out + at + bytes, &value, 4);
	}
	return pdu.plen;
}

bool
link_put(struct link *link, const void *bytes, uint32_t length)
{
	const uint8_t *at = bytes;

	while (length > 0 && link->fd >= 0) {
		struct pollfd file = { .fd = link->fd, .events = POLLOUT };
		ssize_t done = send(link->fd, at, length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (done < 0 && errno == EAGAIN) {
			if (poll(&file, 1, link->put_ms) == 0) {
				return false;
			}
			continue;
		}
		if (done <= 0) {
			return false;
		}
		at += done;
		length -= (uint32_t)done;
	}
	return link->fd >= 0;
}

bool
link_put_pdu(struct link *link, void *header, uint32_t hlen, const void *data, uint32_t bytes)
{
	uint8_t *out = malloc(hlen + bytes + 8);
	bool done = link_put(link, out, link_make(link->digests, out, header, hlen, data, bytes));
	struct capsule capsule;

	if (((struct pdu *)header)->type == PDU_COMMAND) {
		memcpy(&capsule, header, sizeof(capsule));
		link->sent[capsule.command.cid % LINK_TOLD] = capsule.command;
	}
	free(out);
	return done;
}

void
link_wait(const struct link *link, int milliseconds)
{
	struct pollfd file = { .fd = link->fd, .events = POLLIN };

	poll(&file, 1, milliseconds);
}

static void
link_tell(const struct link *link, const uint8_t *raw)
{
	const uint32_t *dword;
	uint16_t cid;
	uint32_t i;

	memcpy(&cid, raw + (raw[0] == PDU_RESPONSE ? 20 : 8), sizeof(cid));
	dword = (const uint32_t *)&link->sent[cid % LINK_TOLD];
	fprintf(stderr, "PDU of type %02x for command %u:", raw[0], cid);
	for (i = 0; i < 16; i++) {
		fprintf(stderr, " %08x", dword[i]);
	}
	fprintf(stderr, "\n");
}

static bool
link_may_be_any(const struct link *link, const uint8_t *raw)
{
	uint16_t cid;

	memcpy(&cid, raw + 8, sizeof(cid));
	return link->io && raw[0] == PDU_C2H_DATA && link->sent[cid % LINK_TOLD].opcode != 0x0e;
}

static void
link_look(const struct link *link, const uint8_t *raw, uint32_t length)
{
	int64_t found = -1;
	uint32_t i;

	fuzz.seen.looked_at += length;
	if (!link->holds_secret && length >= sizeof(struct pdu)) {
		found = secret_find(raw, length, !link_may_be_any(link, raw));
	}
	if (found < 0) {
		return;
	}
	link_tell(link, raw);
	for (i = 0; i < 32 && found + i < length; i++) {
		fprintf(stderr, "%02x ", raw[found + i]);
	}
	give_up_of(link->stream, "at byte %lld of %u: bytes that are not the asker's", (long long)found, length);
}

/* What a PDU of the target says of itself has to be so. Returns where its data begin. */
static const uint8_t *
link_check(const struct link *link, const uint8_t *raw, uint32_t *bytes)
{
	static const uint8_t hlens[] = {
		[PDU_ICRESP] = 128, [PDU_C2H_TERM] = 24, [PDU_RESPONSE] = 24, [PDU_C2H_DATA] = 24, [PDU_R2T] = 24,
	};
	struct pdu pdu;
	uint32_t end, value;

	memcpy(&pdu, raw, sizeof(pdu));
	if (pdu.type >= sizeof(hlens) || hlens[pdu.type] == 0 || hlens[pdu.type] != pdu.hlen || pdu.plen < pdu.hlen) {
		give_up_of(link->stream, "the target sent a PDU of type %02x with HLEN %u, PLEN %u", pdu.type, pdu.hlen, pdu.plen);
	}
	*bytes = 0;
	if (pdu.type == PDU_ICRESP || pdu.type == PDU_C2H_TERM) {
		return raw;
	}
	end = pdu.plen - (pdu.flags & FLAG_DATA_DIGEST ? 4 : 0);
	if (!!(pdu.flags & FLAG_HEADER_DIGEST) != (link->digests & 1) || (pdu.type == PDU_C2H_DATA &&
	    (pdu.pdo < pdu.hlen || pdu.pdo > end || !!(pdu.flags & FLAG_DATA_DIGEST) != link->digests >> 1))) {
		give_up_of(link->stream, "the target sent a PDU of type %02x with flags %02x, PDO %u, PLEN %u; digests: %u",
			   pdu.type, pdu.flags, pdu.pdo, pdu.plen, link->digests);
	}
	if (pdu.flags & FLAG_HEADER_DIGEST) {
		memcpy(&value, raw + pdu.hlen, 4);
		if (value != digest(raw, pdu.hlen)) {
			give_up_of(link->stream, "a PDU of type %02x with a wrong header digest", pdu.type);
		}
	}
	if (pdu.type != PDU_C2H_DATA) {
		return raw;
	}
	*bytes = end - pdu.pdo;
	if (pdu.flags & FLAG_DATA_DIGEST) {
		memcpy(&value, raw + end, 4);
		if (value != digest(raw + pdu.pdo, *bytes)) {
			link_tell(link, raw);
			give_up_of(link->stream, "C2HData of %u bytes from %u with a wrong data digest: %08x, not %08x", *bytes,
				   ((const struct data_pdu *)raw)->offset, value, digest(raw + pdu.pdo, *bytes));
		}
	}
	return raw + pdu.pdo;
}

/* The whole PDUs that are there. */
static bool
link_split(struct link *link, link_taker taker, void *context)
{
	uint32_t at = 0;
	bool goes_on = true;

	while (goes_on && link->have - at >= sizeof(struct pdu)) {
		const uint8_t *data;
		struct pdu pdu;
		uint32_t bytes;

		memcpy(&pdu, link->in + at, sizeof(pdu));
		if (pdu.plen < sizeof(pdu) || pdu.plen > LINK_ROOM) {
			give_up_of(link->stream, "the target sent a PDU of type %02x with PLEN %u", pdu.type, pdu.plen);
		}
		if (link->have - at < pdu.plen) {
			break;
		}
		link_look(link, link->in + at, pdu.plen);
		if (pdu.type == PDU_ICRESP) {
			/* What holds from now on is what the target took, not what it was asked for. */
			link->digests = link->in[at + 11] & 3;
		}
		data = link_check(link, link->in + at, &bytes);
		fuzz.seen.terminated += pdu.type == PDU_C2H_TERM;
		goes_on = taker(context, link, link->in + at, data, bytes);
		at += pdu.plen;
	}
	link->have -= at;
	memmove(link->in, link->in + at, link->have);
	return goes_on;
}

bool
link_take(struct link *link, link_taker taker, void *context)
{
	for (;;) {
		ssize_t got;

		if (link->fd < 0) {
			return false;
		}
		got = recv(link->fd, link->in + link->have, LINK_ROOM - link->have, MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
			return true;
		}
		if (got <= 0) {
			link_look(link, link->in, link->have);
			return false;
		}
		link->have += (uint32_t)got;
		if (!link_split(link, taker, context)) {
			return false;
		}
	}
}

/* ---- what is waited for */

struct link_answer {
	uint8_t type;
	bool came;
	struct response response;
};

static bool
link_take_answer(void *context, struct link *link, const uint8_t *raw, const uint8_t *data, uint32_t bytes)
{
	struct link_answer *answer = context;

	(void)link;
	(void)data;
	(void)bytes;
	if (raw[0] == PDU_C2H_TERM) {
		return false;
	}
	if (raw[0] == answer->type) {
		answer->came = true;
		memcpy(&answer->response, raw, sizeof(answer->response));
	}
	return true;
}

static bool
link_answered(struct link *link, struct link_answer *answer, const char *what)
{
	time_t until = time(NULL) + ANSWER_S;

	while (!answer->came) {
		if (!link_take(link, link_take_answer, answer)) {
			return answer->came;
		}
		if (!answer->came) {
			link_wait(link, 100);
		}
		if (time(NULL) > until) {
			give_up("no answer to %s in %d s", what, ANSWER_S);
		}
	}
	return true;
}

bool
link_dial(struct link *link, uint16_t port, uint8_t digests)
{
	struct icreq icreq = { .pdu = { PDU_ICREQ, 0, 128, 0, 128 }, .digests = digests };
	struct link_answer answer = { .type = PDU_ICRESP };

	if (!link_open(link, port)) {
		return false;
	}
	if (!link_put(link, &icreq, sizeof(icreq)) || !link_answered(link, &answer, "ICReq")) {
		link_close(link, false);
		fuzz.seen.turned_away++;
		return false;
	}
	return true;
}

int64_t
link_fabrics(struct link *link, struct command *command, const void *data, uint32_t bytes)
{
	struct capsule capsule = { .pdu = { .type = PDU_COMMAND }, .command = *command };
	struct link_answer answer = { .type = PDU_RESPONSE };

	capsule.command.opcode = FABRICS;
	capsule.command.flags = 0x40;
	capsule.command.sgl_length = bytes;
	capsule.command.sgl_type = SGL_IN_CAPSULE;
	if (!link_put_pdu(link, &capsule, sizeof(capsule), data, bytes) ||
	    !link_answered(link, &answer, "a fabrics command") || answer.response.status >> 1 != 0) {
		return -1;
	}
	return answer.response.value[0];
}

int64_t
link_connect(struct link *link, struct command *command, const struct connect_data *data)
{
	int64_t cntlid;

	command->nsid = CONNECT;
	cntlid = link_fabrics(link, command, data, sizeof(*data));
	return cntlid < 0 ? cntlid : cntlid & 0xffff;
}

bool
link_enable(struct link *link, uint32_t cc)
{
	struct command set = { .nsid = PROPERTY_SET, .dw11 = REGISTER_CC, .dw12 = cc };
	struct command get_ready = { .nsid = PROPERTY_GET, .dw11 = REGISTER_CSTS };
	int i;

	if (link_fabrics(link, &set, NULL, 0) < 0) {
		return false;
	}
	for (i = 0; i < 1000; i++) {
		int64_t ready = link_fabrics(link, &get_ready, NULL, 0);

		if (ready < 0 || (ready & 1)) {
			return ready > 0;
		}
		usleep(1000);
	}
	return false;
}
