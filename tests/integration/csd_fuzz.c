/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Sends mutated command streams to a csd_tgt: a host of its own, over TCP, that knows no more of NVMe than it needs and
 * keeps to none of it. A stream is a few commands that belong together (load, activate, copy, execute, ...), of which
 * some fields, opcodes, queues, lengths or data are changed at random, sent without waiting for each other. Then every
 * command has to be answered: the first half of a fused pair, at the latest, when another command follows it; all but
 * Asynchronous Event Requests. It prints what happened as JSON; 1: the target is gone, or left a command unanswered.
 *
 *	csd_fuzz PORT SUBNQN HOSTNQN SEED STREAMS PROGRAM...
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define QUEUES		3		/* admin and two I/O queues */
#define DEPTH		32
#define MAX_TRANSFER	(128u << 10)
#define DATA_BYTES	(160u << 10)
#define MAX_PROGRAMS	16
#define IN_CAPSULE	4096
#define ANSWER_S	60		/* generous: a target that others keep from its core is slow, not wrong */
#define TOLD		24		/* so many of the last commands are told when one is not answered */
#define FRESH_STREAMS	500		/* after so many a new connection, and what streams work on is put right */

enum pdu_type {
	PDU_ICREQ = 0x00, PDU_ICRESP = 0x01, PDU_TERM = 0x03, PDU_COMMAND = 0x04, PDU_RESPONSE = 0x05,
	PDU_H2C_DATA = 0x06, PDU_C2H_DATA = 0x07, PDU_R2T = 0x09,
};

struct pdu {
	uint8_t type;
	uint8_t flags;
	uint8_t hlen;
	uint8_t pdo;
	uint32_t plen;
};

struct command {
	uint8_t opcode;
	uint8_t flags;
	uint16_t cid;
	uint32_t nsid;
	uint32_t dw2;
	uint32_t dw3;
	uint32_t dw4;
	uint32_t dw5;
	uint64_t sgl_address;
	uint32_t sgl_length;
	uint8_t sgl_reserved[3];
	uint8_t sgl_type;
	uint32_t dw10, dw11, dw12, dw13, dw14, dw15;
};
_Static_assert(sizeof(struct command) == 64, "command");

/* The namespaces */
#define NVM	1
#define SLM	2
#define COMPUTE	3

#define SGL_IN_CAPSULE	0x01
#define SGL_TRANSPORT	0x5a
#define MISSING_FUSED	0x00a		/* status: Command Aborted due to Missing Fused Command */

/* A command with its data, as it is going to be sent. */
struct item {
	struct command command;
	uint32_t queue;
	uint32_t data_bytes;	/* to the controller */
	uint8_t *data;
	uint32_t fetched;	/* bytes that the controller has asked for, and got */
	bool followed;		/* a first half of a fused pair, after which a command was sent that does not belong to it */
};

struct queue {
	int fd;
	uint8_t in[256 << 10];
	uint32_t have;
	bool waits[DEPTH];
	struct item sent[DEPTH];
	uint32_t under_way;
	bool stalled;		/* a transfer was sent that SPDK's transport refuses */
};

static struct {
	const char *subnqn, *hostnqn;
	uint16_t port;
	struct queue queue[QUEUES];
	bool connected;
	struct {
		uint8_t *bytes;
		uint32_t length;
	} program[MAX_PROGRAMS];
	uint32_t programs;
	uint64_t random;
	/* what happened */
	uint64_t streams, commands, succeeded, refused, reconnects, cut, lost, stalls, halves;
	uint64_t status[8][256];
	struct {
		uint64_t stream;
		uint32_t queue, data_bytes;
		struct command command;
	} last[TOLD];
} g;

static void __attribute__((noreturn, format(printf, 1, 2)))
give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (stream %llu)\n", (unsigned long long)g.streams);
	/* Not exit: what is still under way is no leak. */
	_exit(1);
}

/* ---- chance */

static uint64_t
draw(void)
{
	uint64_t z = (g.random += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint32_t
below(uint32_t limit)
{
	return (uint32_t)(draw() % limit);
}

static bool
one_in(uint32_t n)
{
	return below(n) == 0;
}

/* A value that is likely to lie at some border. */
static uint32_t
border(void)
{
	static const uint32_t values[] = {
		0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 999, 1000, 1001, 4095,
		4096, 4097, 0x7fff, 0x8000, 0xffff, 0x10000, 0x10001, 0xfffff, 0x100000, 0x100001, 0x7fffffff, 0x80000000,
		0xfffffffc, 0xffffffff,
	};

	return one_in(4) ? (uint32_t)draw() : values[below(sizeof(values) / sizeof(values[0]))];
}

/* ---- the connection */

static bool
put(int fd, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	while (length > 0) {
		ssize_t done = send(fd, at, length, MSG_NOSIGNAL);

		if (done <= 0) {
			return false;
		}
		at += done;
		length -= (size_t)done;
	}
	return true;
}

static bool
put_pdu(int fd, struct pdu *pdu, size_t hlen, const void *data, uint32_t bytes)
{
	pdu->hlen = (uint8_t)hlen;
	pdu->pdo = bytes > 0 ? (uint8_t)hlen : 0;
	pdu->plen = (uint32_t)hlen + bytes;
	return put(fd, pdu, hlen) && (bytes == 0 || put(fd, data, bytes));
}

static bool
get(int fd, void *bytes, size_t length)
{
	return recv(fd, bytes, length, MSG_WAITALL) == (ssize_t)length;
}

static void
disconnect(void)
{
	uint32_t i, cid;

	for (i = 0; i < QUEUES; i++) {
		struct queue *queue = &g.queue[i];

		if (queue->fd >= 0) {
			close(queue->fd);
		}
		queue->fd = -1;
		queue->have = 0;
		queue->under_way = 0;
		queue->stalled = false;
		for (cid = 0; cid < DEPTH; cid++) {
			queue->waits[cid] = false;
		}
	}
	g.connected = false;
}

static int
dial(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(g.port) };
	struct timeval limit = { .tv_sec = ANSWER_S };
	struct {
		struct pdu pdu;
		uint8_t rest[120];
	} ic = { .pdu = { PDU_ICREQ, 0, 128, 0, 128 } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && put(fd, &ic, sizeof(ic)) &&
	    get(fd, &ic, sizeof(ic)) && ic.pdu.type == PDU_ICRESP) {
		return fd;
	}
	close(fd);
	return -1;
}

struct response {
	struct pdu pdu;
	uint32_t value[2];
	uint16_t sqhd, sqid, cid, status;
};

/* One fabrics command whose answer is waited for; its value, or -1. */
static int64_t
fabrics(int fd, struct command *command, const void *data, uint32_t bytes)
{
	struct {
		struct pdu pdu;
		struct command command;
	} capsule = { .pdu = { .type = PDU_COMMAND }, .command = *command };
	struct response response;

	capsule.command.opcode = 0x7f;
	capsule.command.flags = 0x40;
	capsule.command.sgl_length = bytes;
	capsule.command.sgl_type = SGL_IN_CAPSULE;
	if (!put_pdu(fd, &capsule.pdu, sizeof(capsule), data, bytes) || !get(fd, &response, sizeof(response)) ||
	    response.pdu.type != PDU_RESPONSE || response.status >> 1 != 0) {
		return -1;
	}
	return response.value[0];
}

static int64_t
connect_queue(uint32_t qid, uint16_t cntlid)
{
	struct {
		uint8_t hostid[16];
		uint16_t cntlid;
		uint8_t reserved[238];
		char subnqn[256], hostnqn[256];
		uint8_t reserved768[256];
	} data = { .cntlid = cntlid };
	struct command command = { .nsid = 0x01, .dw10 = qid << 16, .dw11 = DEPTH * 4 - 1 };

	g.queue[qid].fd = dial();
	if (g.queue[qid].fd < 0) {
		return -1;
	}
	memset(data.hostid, 0xfe, sizeof(data.hostid));
	snprintf(data.subnqn, sizeof(data.subnqn), "%s", g.subnqn);
	snprintf(data.hostnqn, sizeof(data.hostnqn), "%s", g.hostnqn);
	return fabrics(g.queue[qid].fd, &command, &data, sizeof(data));
}

static bool
enable(void)
{
	/* CC: enabled, 64-byte entries, all I/O command sets */
	struct command set = { .nsid = 0x00, .dw11 = 0x14, .dw12 = 0x00460061 };
	struct command get_ready = { .nsid = 0x04, .dw11 = 0x1c };
	int i;

	if (fabrics(g.queue[0].fd, &set, NULL, 0) < 0) {
		return false;
	}
	for (i = 0; i < 1000; i++) {
		int64_t ready = fabrics(g.queue[0].fd, &get_ready, NULL, 0);

		if (ready < 0 || (ready & 1)) {
			return ready > 0;
		}
		usleep(1000);
	}
	return false;
}

static bool
try_connect(void)
{
	int64_t cntlid = connect_queue(0, 0xffff);
	uint32_t qid;

	if (cntlid < 0 || !enable()) {
		return false;
	}
	for (qid = 1; qid < QUEUES; qid++) {
		if (connect_queue(qid, (uint16_t)cntlid) < 0) {
			return false;
		}
	}
	return true;
}

static void
reconnect(void)
{
	time_t until = time(NULL) + ANSWER_S;

	do {
		disconnect();
		if (try_connect()) {
			g.connected = true;
			g.reconnects++;
			return;
		}
		usleep(10000);
	} while (time(NULL) < until);
	give_up("the target lets nobody in any more");
}

/* ---- what comes back */

static bool
answer_r2t(struct queue *queue, const uint8_t *raw)
{
	struct {
		struct pdu pdu;
		uint16_t cid, ttag;
		uint32_t offset, length, reserved;
	} r2t, h2c = { .pdu = { .type = PDU_H2C_DATA, .flags = 0x04 } };
	struct item *item;
	uint8_t *data;
	bool done;

	memcpy(&r2t, raw, sizeof(r2t));
	if (r2t.cid >= DEPTH || r2t.length > (1u << 20)) {
		return false;
	}
	item = &queue->sent[r2t.cid];
	data = calloc(1, r2t.length);
	if (r2t.offset < item->data_bytes) {
		uint32_t have = item->data_bytes - r2t.offset;

		memcpy(data, item->data + r2t.offset, have < r2t.length ? have : r2t.length);
	}
	h2c.cid = r2t.cid;
	h2c.ttag = r2t.ttag;
	h2c.offset = r2t.offset;
	h2c.length = r2t.length;
	done = put_pdu(queue->fd, &h2c.pdu, sizeof(h2c), data, r2t.length);
	item->fetched += r2t.length;
	free(data);
	return done;
}

static void
take_response(struct queue *queue, const uint8_t *raw)
{
	struct response response;
	uint16_t status;

	memcpy(&response, raw, sizeof(response));
	if (response.cid >= DEPTH || !queue->waits[response.cid]) {
		give_up("an answer to command %u, which was not sent", response.cid);
	}
	queue->waits[response.cid] = false;
	queue->under_way--;
	free(queue->sent[response.cid].data);
	queue->sent[response.cid].data = NULL;
	status = response.status >> 1;
	if (queue->sent[response.cid].followed && (status & 0x7ff) != MISSING_FUSED) {
		give_up("the first half of a fused pair without a second has status %03x", status & 0x7ffu);
	}
	g.status[status >> 8 & 7][status & 0xff]++;
	if (status == 0) {
		g.succeeded++;
	} else {
		g.refused++;
	}
}

/* Takes the whole PDUs that have come. false: the connection is over. */
static bool
take(struct queue *queue)
{
	ssize_t got = recv(queue->fd, queue->in + queue->have, sizeof(queue->in) - queue->have, MSG_DONTWAIT);
	uint32_t at = 0;

	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		return true;
	}
	if (got <= 0) {
		return false;
	}
	queue->have += (uint32_t)got;
	while (queue->have - at >= sizeof(struct pdu)) {
		struct pdu pdu;

		memcpy(&pdu, queue->in + at, sizeof(pdu));
		if (pdu.plen < sizeof(pdu) || pdu.plen > sizeof(queue->in)) {
			give_up("a PDU of %u bytes", pdu.plen);
		}
		if (queue->have - at < pdu.plen) {
			break;
		}
		if (pdu.type == PDU_RESPONSE) {
			take_response(queue, queue->in + at);
		} else if (pdu.type == PDU_R2T && !answer_r2t(queue, queue->in + at)) {
			return false;
		} else if (pdu.type == PDU_TERM) {
			return false;
		}
		at += pdu.plen;
	}
	queue->have -= at;
	memmove(queue->in, queue->in + at, queue->have);
	return true;
}

/* An Asynchronous Event Request waits for an event, which need not come. */
static bool
may_wait(uint32_t queue, const struct command *command)
{
	return queue == 0 && command->opcode == 0x0c;
}

static bool
all_answered(void)
{
	uint32_t i, cid;

	for (i = 0; i < QUEUES; i++) {
		for (cid = 0; cid < DEPTH; cid++) {
			if (g.queue[i].waits[cid] && !may_wait(i, &g.queue[i].sent[cid].command)) {
				return false;
			}
		}
	}
	return true;
}

static void
say_command(const char *what, uint32_t queue, const struct command *command, uint32_t data_bytes)
{
	const uint32_t *dword = (const uint32_t *)command;
	uint32_t dw;

	fprintf(stderr, "%s on queue %u:", what, queue);
	for (dw = 0; dw < 16; dw++) {
		fprintf(stderr, " %08x", dword[dw]);
	}
	fprintf(stderr, ", %u bytes of data\n", data_bytes);
}

static void
say_unanswered(void)
{
	uint64_t number = g.commands > TOLD ? g.commands - TOLD : 0;
	uint32_t i, cid;
	char what[64];

	for (; number < g.commands; number++) {
		i = number % TOLD;
		snprintf(what, sizeof(what), "stream %llu, sent", (unsigned long long)g.last[i].stream);
		say_command(what, g.last[i].queue, &g.last[i].command, g.last[i].data_bytes);
	}
	for (i = 0; i < QUEUES; i++) {
		for (cid = 0; cid < DEPTH; cid++) {
			const struct item *item = &g.queue[i].sent[cid];

			if (g.queue[i].waits[cid] && !may_wait(i, &item->command)) {
				say_command("unanswered", i, &item->command, item->data_bytes);
			}
		}
	}
}

/*
 * SPDK's transport answers a transfer that it refuses, and then reads nothing more from that connection: what else is
 * under way there may stay unanswered.
 */
static bool
transport_refuses(const struct item *item)
{
	const struct command *command = &item->command;

	switch (command->sgl_type) {
	case SGL_TRANSPORT:
		return command->sgl_length > MAX_TRANSFER;
	case SGL_IN_CAPSULE:
		return command->sgl_length > IN_CAPSULE || command->sgl_length != item->data_bytes ||
		       command->sgl_address != 0;
	default:
		return true;
	}
}

static bool
stalled(void)
{
	uint32_t i;

	for (i = 0; i < QUEUES; i++) {
		if (g.queue[i].stalled) {
			return true;
		}
	}
	return false;
}

static void send_item(struct item *item);
static void make(struct item *item, uint32_t queue, uint8_t opcode, uint32_t nsid, const void *data, uint32_t bytes,
		 uint32_t room);

/*
 * The first half of a fused pair (Compare with FUSE 01b is the only one that SPDK takes) is answered when its queue's next
 * NVM command comes. Its data have to be there: before that the controller has not begun it, and a command that overtakes
 * it does not follow it.
 */
static bool
waits_for_second_half(uint32_t queue, const struct item *item)
{
	const struct command *command = &item->command;
	bool has_data = command->sgl_type == SGL_IN_CAPSULE || item->fetched >= command->sgl_length;

	return queue != 0 && command->opcode == 0x05 && command->nsid == NVM && (command->flags & 3) == 1 && has_data &&
	       !item->followed;
}

/* Sends a Flush to queues where nothing is left but such a first half; then both have to be answered. */
static void
follow_first_halves(void)
{
	uint32_t i, cid;

	for (i = 1; i < QUEUES; i++) {
		struct queue *queue = &g.queue[i];
		struct item flush;

		for (cid = 0; cid < DEPTH && !queue->waits[cid]; cid++) {
		}
		if (queue->under_way != 1 || !waits_for_second_half(i, &queue->sent[cid])) {
			continue;
		}
		queue->sent[cid].followed = true;
		g.halves++;
		make(&flush, i, 0x00, NVM, NULL, 0, 0);
		send_item(&flush);
	}
}

/* Until everything is answered, or the connection is over. */
static void
settle(void)
{
	time_t until = time(NULL) + ANSWER_S;

	if (stalled()) {
		g.stalls++;
		disconnect();
	}
	while (g.connected && !all_answered()) {
		struct pollfd files[QUEUES];
		uint32_t i;

		follow_first_halves();
		if (!g.connected) {
			return;
		}
		for (i = 0; i < QUEUES; i++) {
			files[i] = (struct pollfd){ .fd = g.queue[i].fd, .events = POLLIN };
		}
		poll(files, QUEUES, 100);
		for (i = 0; i < QUEUES; i++) {
			if (files[i].revents != 0 && !take(&g.queue[i])) {
				g.lost++;
				disconnect();
				return;
			}
		}
		if (time(NULL) > until) {
			say_unanswered();
			give_up("commands were left unanswered");
		}
	}
}

/* ---- what is sent */

static int
free_cid(const struct queue *queue)
{
	int cid;

	for (cid = 0; cid < DEPTH; cid++) {
		if (!queue->waits[cid]) {
			return cid;
		}
	}
	return -1;
}

static void
send_item(struct item *item)
{
	struct queue *queue = &g.queue[item->queue];
	struct {
		struct pdu pdu;
		struct command command;
	} capsule = { .pdu = { .type = PDU_COMMAND } };
	int cid = free_cid(queue);
	uint32_t inline_bytes;

	if (cid < 0 || !g.connected) {
		free(item->data);
		return;
	}
	item->command.cid = (uint16_t)cid;
	capsule.command = item->command;
	inline_bytes = item->command.sgl_type == SGL_IN_CAPSULE ? item->data_bytes : 0;
	if (inline_bytes > IN_CAPSULE) {
		inline_bytes = IN_CAPSULE;
	}
	free(queue->sent[cid].data);
	queue->sent[cid] = *item;
	queue->waits[cid] = true;
	queue->under_way++;
	queue->stalled = queue->stalled || transport_refuses(item);
	g.last[g.commands % TOLD].stream = g.streams;
	g.last[g.commands % TOLD].queue = item->queue;
	g.last[g.commands % TOLD].data_bytes = item->data_bytes;
	g.last[g.commands % TOLD].command = item->command;
	g.commands++;
	if (!put_pdu(queue->fd, &capsule.pdu, sizeof(capsule), item->data, inline_bytes)) {
		g.lost++;
		disconnect();
	}
}

/* A command as it should be: data for the controller, or room for what comes back. */
static void
make(struct item *item, uint32_t queue, uint8_t opcode, uint32_t nsid, const void *data, uint32_t bytes, uint32_t room)
{
	memset(item, 0, sizeof(*item));
	item->queue = queue;
	item->command.opcode = opcode;
	item->command.flags = 0x40;
	item->command.nsid = nsid;
	item->data_bytes = bytes;
	item->data = calloc(1, bytes + 1);
	if (bytes > 0) {
		memcpy(item->data, data, bytes);
	}
	item->command.sgl_length = bytes + room;
	item->command.sgl_type = bytes > 0 && bytes <= IN_CAPSULE ? SGL_IN_CAPSULE : SGL_TRANSPORT;
}

struct range {
	uint32_t nsid, length;
	uint64_t start, reserved[2];
};

static uint32_t
io_queue(void)
{
	return 1 + below(QUEUES - 1);
}

static uint32_t
make_load(struct item *items)
{
	uint32_t which = below(g.programs), slot = 3 + below(3), length = g.program[which].length;
	uint32_t chunk = one_in(3) ? 1 + below(length) : length, at, count = 0;
	/* PTYPE, and PIT: eBPF's types of today and of before, with a program identifier and without */
	uint32_t kind = (one_in(2) ? 0xc0 : 0x01) << 16 | (one_in(2) ? 1u << 25 : 0);

	if (!one_in(4)) {
		make(&items[count], 0, 0x88, COMPUTE, NULL, 0, 0);
		items[count++].command.dw10 = slot;
		make(&items[count], 0, 0x85, COMPUTE, NULL, 0, 0);
		items[count++].command.dw10 = slot | 1 << 24;
	}
	for (at = 0; at < length && count < 5; at += chunk, count++) {
		uint32_t bytes = length - at < chunk ? length - at : chunk;

		make(&items[count], 0, 0x85, COMPUTE, g.program[which].bytes + at, bytes, 0);
		items[count].command.dw10 = slot | kind;
		items[count].command.dw11 = length;
		items[count].command.dw14 = bytes;
		items[count].command.dw15 = at;
	}
	make(&items[count], 0, 0x88, COMPUTE, NULL, 0, 0);
	items[count++].command.dw10 = slot | 1 << 16;
	return count;
}

static uint32_t
make_unload(struct item *items)
{
	uint32_t slot = below(6);

	make(&items[0], 0, 0x88, COMPUTE, NULL, 0, 0);
	items[0].command.dw10 = slot;
	make(&items[1], 0, 0x85, COMPUTE, NULL, 0, 0);
	items[1].command.dw10 = slot | 1 << 24;
	return 2;
}

static uint32_t
make_range_set(struct item *items)
{
	struct range ranges[8] = { 0 };
	uint32_t count = 1 + below(3), i;

	for (i = 0; i < count; i++) {
		ranges[i] = (struct range){ SLM, 4 * (1 + below(2048)), 0x10000u * i + 4 * below(1024), { 0 } };
	}
	make(&items[0], 0, 0x89, COMPUTE, ranges, count * sizeof(ranges[0]), 0);
	items[0].command.dw11 = count;
	make(&items[1], 0, 0x89, COMPUTE, NULL, 0, 0);
	items[1].command.dw10 = 1 | (1 + below(8)) << 16;
	return 2;
}

static uint32_t
make_slm(struct item *items)
{
	uint8_t bytes[16384];
	uint32_t length = 4 * (1 + below(one_in(4) ? 4096 : 64)), start = 4 * below(16384), i;

	for (i = 0; i < length; i++) {
		bytes[i] = (uint8_t)draw();
	}
	make(&items[0], io_queue(), 0x05, SLM, bytes, length, 0);
	make(&items[1], io_queue(), 0x04, SLM, NULL, 0, 0);
	make(&items[2], io_queue(), 0x02, SLM, NULL, 0, length);
	for (i = 0; i < 3; i++) {
		items[i].command.dw10 = start;
		items[i].command.dw12 = length;
	}
	items[1].command.dw13 = (uint32_t)draw();
	if (one_in(8)) {
		items[1].command.dw12 = 0x80000;
	}
	return 3;
}

static uint32_t
make_copy(struct item *items)
{
	struct {
		uint32_t nsid, reserved;
		uint64_t start;
		uint32_t length, rest[3];
	} source[4] = { 0 };
	uint32_t count = 1 + below(4), i, total = 0;
	bool blocks = one_in(2);

	for (i = 0; i < count; i++) {
		uint32_t units = 1 + below(16);

		source[i].nsid = blocks ? NVM : SLM;
		source[i].start = blocks ? below(200) : 0x80000u + 4 * below(8192);
		source[i].length = blocks ? units - 1 : 4 * units;
		total += blocks ? 4096 * units : 4 * units;
	}
	make(&items[0], io_queue(), 0x01, SLM, source, count * 32, 0);
	items[0].command.dw2 = total;
	items[0].command.dw10 = 4 * below(4096);
	items[0].command.dw12 = (count - 1) | (blocks ? 2 : 4) << 8;
	return 1;
}

static uint32_t
make_execute(struct item *items)
{
	uint8_t bytes[2 * 32 + 64] = { 0 };
	struct range *ranges = (struct range *)bytes;
	uint32_t data = below(64);

	ranges[0] = (struct range){ SLM, 4 * (1 + below(16384)), 4 * below(4096), { 0 } };
	ranges[1] = (struct range){ SLM, 4 * (64 + below(16384)), 0x80000 + 4 * below(4096), { 0 } };
	if (one_in(3)) {
		make(&items[0], io_queue(), 0x01, COMPUTE, NULL, 0, 0);
		items[0].command.dw2 = below(6) | (1 + below(4)) << 16;
	} else {
		make(&items[0], io_queue(), 0x01, COMPUTE, bytes, 64 + data, 0);
		items[0].command.dw2 = below(6);
		items[0].command.dw3 = 2;
		items[0].command.dw4 = one_in(2) ? 64 + data : 0;
	}
	items[0].command.dw10 = below(1000);
	return 1;
}

static uint32_t
make_scan(struct item *items)
{
	uint32_t count = 1 + below(3), i;

	for (i = 0; i < count; i++) {
		make(&items[i], io_queue(), 0x82, COMPUTE, NULL, 0, one_in(4) ? 131072 : 4096);
		items[i].command.dw2 = below(6);
		items[i].command.dw3 = NVM | (one_in(4) ? 1 + below(4) : 0) << 16;
		items[i].command.dw10 = below(1 << 20);
		items[i].command.dw12 = below((1 << 20) - items[i].command.dw10 + 1);
		items[i].command.dw14 = below(1000);
	}
	if (one_in(3)) {
		/* Abort one of them */
		make(&items[count], 0, 0x08, 0, NULL, 0, 0);
		items[count].command.dw10 = io_queue() | below(4) << 16;
		count++;
	}
	return count;
}

static uint32_t
make_query(struct item *items)
{
	static const uint8_t logs[] = { 0x82, 0x83, 0x84, 0xc0, 0xc1, 0xd1, 0xd2, 0x00, 0x05, 0x12, 0x1a, 0x1b };
	static const uint8_t cns[] = { 0x00, 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x08, 0x1c };
	uint32_t length = 4 * (1 + below(1024));

	uint8_t log = logs[below(sizeof(logs))];

	/* Those below 82h are the controller's. */
	make(&items[0], 0, 0x02, log < 0x82 ? 0 : COMPUTE, NULL, 0, length);
	items[0].command.dw10 = log | (one_in(4) ? 1u << 8 : 0) | (length / 4 - 1) << 16;
	items[0].command.dw11 = below(6) << 16;
	items[0].command.dw12 = one_in(3) ? 4 * below(512) : 0;
	items[0].command.dw14 = (uint32_t)below(5) << 24;
	make(&items[1], 0, 0x06, 1 + below(3), NULL, 0, 4096);
	items[1].command.dw10 = cns[below(sizeof(cns))];
	items[1].command.dw11 = (uint32_t)below(5) << 24;
	return 2;
}

static uint32_t
make_nvm(struct item *items)
{
	uint8_t bytes[8192];
	uint32_t i;

	for (i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)draw();
	}
	make(&items[0], io_queue(), 0x01, NVM, bytes, sizeof(bytes), 0);
	make(&items[1], io_queue(), 0x02, NVM, NULL, 0, sizeof(bytes));
	for (i = 0; i < 2; i++) {
		items[i].command.dw10 = below(255);
		items[i].command.dw12 = 1;
	}
	return 2;
}

/* Compare and Write as one, after the data that Compare finds; or a half of it alone, or twice. */
static uint32_t
make_fused(struct item *items)
{
	uint32_t queue = io_queue(), block = below(255), count = 2, i;
	uint8_t bytes[2][4096];

	for (i = 0; i < sizeof(bytes); i++) {
		bytes[i / 4096][i % 4096] = (uint8_t)draw();
	}
	make(&items[0], queue, 0x01, NVM, bytes[0], 4096, 0);
	make(&items[1], queue, 0x05, NVM, bytes[0], 4096, 0);
	items[1].command.flags |= 1;
	if (!one_in(4)) {
		make(&items[count], queue, 0x01, NVM, bytes[1], 4096, 0);
		items[count++].command.flags |= one_in(8) ? 1 : 2;
	}
	for (i = 0; i < count; i++) {
		items[i].command.dw10 = block;
	}
	return count;
}

static uint32_t
make_stream(struct item *items)
{
	static uint32_t (*const makers[])(struct item *items) = {
		make_load, make_unload, make_range_set, make_slm, make_copy, make_execute, make_execute, make_scan, make_scan,
		make_query, make_nvm, make_fused,
	};

	return makers[below(sizeof(makers) / sizeof(makers[0]))](items);
}

static void
mutate_data(struct item *item)
{
	uint32_t i, changes = 1 + below(8);

	if (item->data_bytes == 0) {
		return;
	}
	for (i = 0; i < changes; i++) {
		uint32_t at = below(item->data_bytes);

		if (one_in(2) || item->data_bytes < 8) {
			item->data[at] ^= (uint8_t)(1u << below(8));
		} else {
			uint32_t value = border();

			memcpy(item->data + (at & ~3u) % (item->data_bytes - 4), &value, sizeof(value));
		}
	}
}

static void
mutate_transfer(struct item *item)
{
	uint32_t bytes;

	switch (below(4)) {
	case 0:		/* more or fewer bytes, truthfully */
		bytes = one_in(30) ? below(DATA_BYTES) : below(8192);
		item->data = realloc(item->data, bytes + 1);
		if (bytes > item->data_bytes) {
			memset(item->data + item->data_bytes, (int)draw(), bytes - item->data_bytes);
		}
		item->data_bytes = bytes;
		item->command.sgl_length = bytes;
		item->command.sgl_type = bytes > 0 && bytes <= IN_CAPSULE ? SGL_IN_CAPSULE : SGL_TRANSPORT;
		break;
	case 1:
		item->command.sgl_length = one_in(30) ? border() : below(MAX_TRANSFER);
		break;
	case 2:
		if (one_in(30)) {
			item->command.sgl_type = (uint8_t)draw();
		} else if (item->data_bytes > 0) {
			item->command.sgl_type = SGL_TRANSPORT;
		}
		break;
	default:
		if (item->command.sgl_type == SGL_TRANSPORT || one_in(30)) {
			item->command.sgl_address = border();
		}
	}
}

/*
 * What would make the rest of the run worthless, or belongs to SPDK alone: reservations keep the data from whoever
 * checks them afterwards, a disabled controller answers nothing any more.
 */
static bool
harmful(const struct item *item)
{
	uint8_t opcode = item->command.opcode;

	if (item->queue == 0) {
		return opcode == 0x7f || opcode == 0x09;
	}
	return opcode == 0x7f || opcode == 0x0d || opcode == 0x0e || opcode == 0x11 || opcode == 0x15;
}

static void
mutate(struct item *item)
{
	static const uint8_t opcodes[] = {
		0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08, 0x09, 0x0a, 0x0c, 0x0d, 0x10, 0x18, 0x19, 0x82, 0x85, 0x88, 0x89,
	};
	uint32_t *dword = (uint32_t *)&item->command;
	uint32_t changes = 1 + below(3), field;

	while (changes-- > 0) {
		switch (below(12)) {
		case 0:
			item->command.opcode = one_in(4) ? (uint8_t)draw() : opcodes[below(sizeof(opcodes))];
			break;
		case 1:
			item->command.nsid = one_in(2) ? below(5) : border();
			break;
		case 2:
			item->queue = below(QUEUES);
			break;
		case 3:
			mutate_transfer(item);
			break;
		case 4:
		case 5:
			mutate_data(item);
			break;
		case 6:
			if (one_in(8)) {
				item->command.flags = (uint8_t)draw();
			}
			break;
		default:
			/* DW2-4 and DW10-15 */
			field = below(9);
			field = field < 3 ? 2 + field : 7 + field;
			if (one_in(2)) {
				dword[field] = border();
			} else if (one_in(2)) {
				dword[field] ^= 1u << below(32);
			} else {
				dword[field] += below(9) - 4;
			}
		}
	}
	if (harmful(item)) {
		item->command.opcode = 0x82;
	}
	/* SPDK's transport takes data in the capsule of any other opcode for the next PDU. */
	if ((item->command.opcode & 3) != 1 && item->command.sgl_type == SGL_IN_CAPSULE) {
		item->command.sgl_type = SGL_TRANSPORT;
	}
}

/* Programs in slots, some range sets: what most streams work on. */
static void
prepare(void)
{
	struct item items[8];
	uint32_t slot, i, count;

	for (slot = 0; slot < 6; slot++) {
		uint32_t which = slot % g.programs;

		make(&items[0], 0, 0x85, COMPUTE, g.program[which].bytes, g.program[which].length, 0);
		items[0].command.dw10 = slot | 1 << 16;
		items[0].command.dw11 = items[0].command.dw14 = g.program[which].length;
		send_item(&items[0]);
		settle();
		make(&items[0], 0, 0x88, COMPUTE, NULL, 0, 0);
		items[0].command.dw10 = slot | 1 << 16;
		send_item(&items[0]);
		settle();
	}
	for (i = 0; i < 4; i++) {
		count = make_range_set(items);
		while (count-- > 0) {
			send_item(&items[count]);
		}
		settle();
	}
}

static void
run_stream(void)
{
	struct item items[8];
	uint32_t count = make_stream(items), i;

	for (i = 0; i < count; i++) {
		if (!one_in(3)) {
			mutate(&items[i]);
		}
		send_item(&items[i]);
		if (one_in(16)) {
			settle();
		}
	}
	/* Sometimes the next stream comes on top of this one; sometimes the host goes away in the middle. */
	if (one_in(200)) {
		g.cut++;
		disconnect();
	} else if (!one_in(3)) {
		settle();
	}
}

static void
read_program(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = malloc(65536);

	if (file == NULL || bytes == NULL || g.programs == MAX_PROGRAMS) {
		give_up("cannot read %s", path);
	}
	g.program[g.programs].bytes = bytes;
	g.program[g.programs++].length = (uint32_t)fread(bytes, 1, 65536, file);
	fclose(file);
}

int
main(int argc, char **argv)
{
	uint64_t streams, stream;
	int i, sct, sc;

	if (argc < 7) {
		fprintf(stderr, "csd_fuzz PORT SUBNQN HOSTNQN SEED STREAMS PROGRAM...\n");
		return 2;
	}
	g.port = (uint16_t)atoi(argv[1]);
	g.subnqn = argv[2];
	g.hostnqn = argv[3];
	g.random = strtoull(argv[4], NULL, 0);
	streams = strtoull(argv[5], NULL, 0);
	for (i = 6; i < argc; i++) {
		read_program(argv[i]);
	}
	for (i = 0; i < QUEUES; i++) {
		g.queue[i].fd = -1;
	}
	for (stream = 0; stream < streams; stream++) {
		if (stream % FRESH_STREAMS == 0) {
			settle();
			disconnect();
		}
		if (!g.connected) {
			reconnect();
			prepare();
		}
		g.streams++;
		run_stream();
	}
	settle();
	disconnect();
	printf("{\"streams\": %llu, \"commands\": %llu, \"succeeded\": %llu, \"refused\": %llu, \"connections\": %llu, "
	       "\"cut\": %llu, \"lost\": %llu, \"stalled\": %llu, \"first_halves\": %llu, "
	       "\"statuses\": {", (unsigned long long)g.streams,
	       (unsigned long long)g.commands, (unsigned long long)g.succeeded, (unsigned long long)g.refused,
	       (unsigned long long)g.reconnects, (unsigned long long)g.cut, (unsigned long long)g.lost, (unsigned long long)g.stalls,
	       (unsigned long long)g.halves);
	for (sct = 0, i = 0; sct < 8; sct++) {
		for (sc = 0; sc < 256; sc++) {
			if (g.status[sct][sc] != 0) {
				printf("%s\"%X%02X\": %llu", i++ ? ", " : "", (unsigned int)sct, (unsigned int)sc,
				       (unsigned long long)g.status[sct][sc]);
			}
		}
	}
	printf("}}\n");
	return 0;
}
