/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A host that keeps to the transport: its commands may be anything, and each of them has to be answered. */
#ifndef FUZZ_HOST_H
#define FUZZ_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "fuzz.h"
#include "link.h"

#define HOST_QUEUES	3		/* admin and two I/O queues */
#define HOST_DEPTH	32
#define MAX_TRANSFER	(1u << 20)

/* A command with its data, as it is going to be sent. */
struct item {
	struct command command;
	uint32_t queue;
	uint32_t data_bytes;	/* to the controller */
	uint8_t *data;
	uint32_t fetched;	/* bytes that the controller has asked for, and got */
	bool followed;		/* a first half of a fused pair, after which a command was sent that does not belong to it */
};

struct host_queue {
	struct link link;
	bool waits[HOST_DEPTH];
	struct item sent[HOST_DEPTH];
	uint32_t under_way;
	bool stalled;		/* a transfer was sent that the transport refuses */
};

struct host {
	const struct place *place;
	uint8_t hostid;
	bool holds_secret;
	bool connected;
	struct host_queue queue[HOST_QUEUES];
};

void host_init(struct host *host, const struct place *place, uint8_t hostid);
/* Until it is let in; gives up when it never is. */
void host_connect(struct host *host);
void host_disconnect(struct host *host);
/* A command as it should be: data for the controller, or room for what comes back. */
void host_make(struct item *item, uint32_t queue, uint8_t opcode, uint32_t nsid, const void *data, uint32_t bytes,
	       uint32_t room);
/* Sends it, and holds its data from then on. */
void host_send(struct host *host, struct item *item);
/* Until everything is answered, or the connection is over. */
void host_settle(struct host *host);

#endif
