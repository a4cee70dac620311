/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

#define HOST_TOLD	24		/* so many of the last commands are told when one is not answered */
#define HOST_PATIENCE_MS	10000
#define HOST_NVM	1		/* the namespace of blocks */
#define MISSING_FUSED	0x00a		/* status: Command Aborted due to Missing Fused Command */

static struct {
	uint64_t stream;
	uint32_t queue, data_bytes;
	struct command command;
} host_last[HOST_TOLD];

void
host_init(struct host *host, const struct place *place, uint8_t hostid)
{
	uint32_t i;

	host->place = place;
	host->hostid = hostid;
	for (i = 0; i < HOST_QUEUES; i++) {
		host->queue[i].link.fd = -1;
		host->queue[i].link.put_ms = HOST_PATIENCE_MS;
	}
}

void
host_disconnect(struct host *host)
{
	uint32_t i, cid;

	for (i = 0; i < HOST_QUEUES; i++) {
		struct host_queue *queue = &host->queue[i];

		link_close(&queue->link, false);
		queue->under_way = 0;
		queue->stalled = false;
		for (cid = 0; cid < HOST_DEPTH; cid++) {
			queue->waits[cid] = false;
			free(queue->sent[cid].data);
			queue->sent[cid].data = NULL;
		}
	}
	host->connected = false;
}

static bool
host_try_connect(struct host *host)
{
	struct connect_data data = { .cntlid = 0xffff };
	uint32_t qid;

	memset(data.hostid, host->hostid, sizeof(data.hostid));
	snprintf(data.subnqn, sizeof(data.subnqn), "%s", host->place->subnqn);
	snprintf(data.hostnqn, sizeof(data.hostnqn), "%s", host->place->hostnqn);
	for (qid = 0; qid < HOST_QUEUES; qid++) {
		struct command command = { .dw10 = qid << 16, .dw11 = HOST_DEPTH * 4 - 1 };
		struct link *link = &host->queue[qid].link;
		int64_t cntlid;

		link->holds_secret = host->holds_secret;
		link->io = qid > 0;
		if (!link_dial(link, host->place->port, 0) || (cntlid = link_connect(link, &command, &data)) < 0 ||
		    (qid == 0 && !link_enable(link, 0x00460061))) {
			return false;
		}
		data.cntlid = (uint16_t)cntlid;
	}
	return true;
}

void
host_connect(struct host *host)
{
	time_t until = time(NULL) + ANSWER_S;

	do {
		host_disconnect(host);
		if (host_try_connect(host)) {
			host->connected = true;
			return;
		}
		usleep(10000);
	} while (time(NULL) < until);
	give_up("%s is not let in any more", host->place->hostnqn);
}

/* ---- what comes back */

static bool
host_answer_r2t(struct host_queue *queue, const uint8_t *raw)
{
	struct data_pdu r2t, h2c = { .pdu = { .type = PDU_H2C_DATA, .flags = FLAG_LAST } };
	struct item *item;
	uint8_t *data;
	bool done;

	memcpy(&r2t, raw, sizeof(r2t));
	if (r2t.cid >= HOST_DEPTH || !queue->waits[r2t.cid] || r2t.length > MAX_TRANSFER) {
		give_up("an R2T of %u bytes for command %u, which was not sent", r2t.length, r2t.cid);
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
	done = link_put_pdu(&queue->link, &h2c, sizeof(h2c), data, r2t.length);
	item->fetched += r2t.length;
	free(data);
	return done;
}

static void
host_take_response(struct host_queue *queue, const uint8_t *raw)
{
	struct response response;
	struct item *item;
	uint16_t status;

	memcpy(&response, raw, sizeof(response));
	if (response.cid >= HOST_DEPTH || !queue->waits[response.cid]) {
		give_up("an answer to command %u, which was not sent", response.cid);
	}
	item = &queue->sent[response.cid];
	queue->waits[response.cid] = false;
	queue->under_way--;
	free(item->data);
	item->data = NULL;
	status = response.status >> 1;
	if (item->followed && (status & 0x7ff) != MISSING_FUSED) {
		give_up("the first half of a fused pair without a second has status %03x", status & 0x7ffu);
	}
	count_status(status);
}

static bool
host_take(void *context, struct link *link, const uint8_t *raw, const uint8_t *data, uint32_t bytes)
{
	struct host_queue *queue = context;

	(void)link;
	(void)data;
	(void)bytes;
	if (raw[0] == PDU_RESPONSE) {
		host_take_response(queue, raw);
	}
	return raw[0] != PDU_C2H_TERM && (raw[0] != PDU_R2T || host_answer_r2t(queue, raw));
}

/* An Asynchronous Event Request waits for an event, which need not come. */
static bool
host_may_wait(uint32_t queue, const struct command *command)
{
	return queue == 0 && command->opcode == 0x0c;
}

static bool
host_all_answered(const struct host *host)
{
	uint32_t i, cid;

	for (i = 0; i < HOST_QUEUES; i++) {
		for (cid = 0; cid < HOST_DEPTH; cid++) {
			if (host->queue[i].waits[cid] && !host_may_wait(i, &host->queue[i].sent[cid].command)) {
				return false;
			}
		}
	}
	return true;
}

static void
host_say_command(const char *what, uint32_t queue, const struct command *command, uint32_t data_bytes)
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
host_say_unanswered(const struct host *host)
{
	uint64_t number = fuzz.seen.commands > HOST_TOLD ? fuzz.seen.commands - HOST_TOLD : 0;
	uint32_t i, cid;
	char what[64];

	for (; number < fuzz.seen.commands; number++) {
		i = number % HOST_TOLD;
		snprintf(what, sizeof(what), "stream %llu, sent", (unsigned long long)host_last[i].stream);
		host_say_command(what, host_last[i].queue, &host_last[i].command, host_last[i].data_bytes);
	}
	for (i = 0; i < HOST_QUEUES; i++) {
		for (cid = 0; cid < HOST_DEPTH; cid++) {
			const struct item *item = &host->queue[i].sent[cid];

			if (host->queue[i].waits[cid] && !host_may_wait(i, &item->command)) {
				host_say_command("unanswered", i, &item->command, item->data_bytes);
			}
		}
	}
}

/*
 * SPDK's transport answers a transfer that it refuses, and then reads nothing more from that connection: what else is
 * under way there may stay unanswered.
 */
static bool
host_transport_refuses(const struct item *item)
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
host_stalled(const struct host *host)
{
	uint32_t i;

	for (i = 0; i < HOST_QUEUES; i++) {
		if (host->queue[i].stalled) {
			return true;
		}
	}
	return false;
}

/*
 * The first half of a fused pair (Compare with FUSE 01b, of any namespace) is answered when its queue's next command comes.
 * Its data have to be there: before that the controller has not begun it.
 */
static bool
host_waits_for_second_half(uint32_t queue, const struct item *item)
{
	const struct command *command = &item->command;
	bool has_data = command->sgl_type == SGL_IN_CAPSULE || item->fetched >= command->sgl_length;

	return queue != 0 && command->opcode == 0x05 && (command->flags & 3) == 1 && has_data && !item->followed;
}

/* Sends a Flush to queues where nothing is left but such a first half; then both have to be answered. */
static void
host_follow_first_halves(struct host *host)
{
	uint32_t i, cid;

	for (i = 1; i < HOST_QUEUES; i++) {
		struct host_queue *queue = &host->queue[i];
		struct item flush;

		for (cid = 0; cid < HOST_DEPTH && !queue->waits[cid]; cid++) {
		}
		if (queue->under_way != 1 || !host_waits_for_second_half(i, &queue->sent[cid])) {
			continue;
		}
		queue->sent[cid].followed = true;
		fuzz.seen.first_halves++;
		host_make(&flush, i, 0x00, HOST_NVM, NULL, 0, 0);
		host_send(host, &flush);
	}
}

/* Until everything is answered, or the connection is over. */
void
host_settle(struct host *host)
{
	time_t until = time(NULL) + ANSWER_S;

	if (host_stalled(host)) {
		fuzz.seen.stalled++;
		host_disconnect(host);
	}
	while (host->connected && !host_all_answered(host)) {
		struct pollfd files[HOST_QUEUES];
		uint32_t i;

		host_follow_first_halves(host);
		if (!host->connected) {
			return;
		}
		for (i = 0; i < HOST_QUEUES; i++) {
			files[i] = (struct pollfd){ .fd = host->queue[i].link.fd, .events = POLLIN };
		}
		poll(files, HOST_QUEUES, 100);
		for (i = 0; i < HOST_QUEUES; i++) {
			if (files[i].revents != 0 && !link_take(&host->queue[i].link, host_take, &host->queue[i])) {
				fuzz.seen.lost++;
				host_disconnect(host);
				return;
			}
		}
		if (time(NULL) > until) {
			host_say_unanswered(host);
			give_up("commands were left unanswered");
		}
	}
}

/* ---- what is sent */

static int
host_free_cid(const struct host_queue *queue)
{
	int cid;

	for (cid = 0; cid < HOST_DEPTH; cid++) {
		if (!queue->waits[cid]) {
			return cid;
		}
	}
	return -1;
}

void
host_send(struct host *host, struct item *item)
{
	struct host_queue *queue = &host->queue[item->queue];
	struct capsule capsule = { .pdu = { .type = PDU_COMMAND } };
	int cid = host_free_cid(queue);
	uint32_t inline_bytes;

	if (cid < 0 || !host->connected) {
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
	queue->stalled = queue->stalled || host_transport_refuses(item);
	host_last[fuzz.seen.commands % HOST_TOLD].stream = fuzz.stream;
	host_last[fuzz.seen.commands % HOST_TOLD].queue = item->queue;
	host_last[fuzz.seen.commands % HOST_TOLD].data_bytes = item->data_bytes;
	host_last[fuzz.seen.commands % HOST_TOLD].command = item->command;
	fuzz.seen.commands++;
	if (!link_put_pdu(&queue->link, &capsule, sizeof(capsule), item->data, inline_bytes)) {
		fuzz.seen.lost++;
		host_disconnect(host);
	}
}

/* A command as it should be: data for the controller, or room for what comes back. */
void
host_make(struct item *item, uint32_t queue, uint8_t opcode, uint32_t nsid, const void *data, uint32_t bytes, uint32_t room)
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

