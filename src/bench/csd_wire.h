/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Bytes on the wire: exactly what the connections to the target carried (TCP payload, each byte once), as
 * nvme_tcp_trace counts it on the interface; where that cannot run, from the kernel's own counters of each connection,
 * which are read in any case to compare. And beside it what the network interface counted.
 */
#ifndef CSD_WIRE_H
#define CSD_WIRE_H

#include "csd_wire_trace.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct csd_wire {
	bool known;			/* false: there is no connection to count (a local device) */
	bool own_sockets;		/* this process holds the connections; else the kernel's nvme-tcp does */
	struct sockaddr_storage peer;
	char interface[32];		/* through which the peer is reached; empty: unknown */
	char address[64];
	char port[8];
	struct csd_wire_trace trace;
};

struct csd_wire_count {
	uint32_t connections;		/* 0: nothing could be counted */
	uint64_t to_host;		/* nvme_tcp_trace's, else tcp_info's */
	uint64_t to_target;
	bool traced;			/* they are nvme_tcp_trace's */
	uint64_t tcp_to_host;		/* tcp_info's, in any case */
	uint64_t tcp_to_target;
	uint64_t not_parsed;		/* of nvme_tcp_trace's bytes, those that it could not tell to a PDU */
	uint64_t interface_received;
	uint64_t interface_sent;
};

/* `address` and `port` in numbers. False where they are not that. */
bool csd_wire_init(struct csd_wire *wire, const char *address, const char *port, bool own_sockets);

/*
 * Lets the nvme_tcp_trace at `program` count too, from now on: best before the connections are made, for then it follows
 * them from their first byte. False: it cannot, and csd_wire_reason() says why; all else goes on with tcp_info.
 */
bool csd_wire_trace(struct csd_wire *wire, const char *program);

/* The counters now. Their difference over a measurement is what it moved, while `connections` stays the same. */
void csd_wire_read(struct csd_wire *wire, struct csd_wire_count *count);

/* Makes `after` the difference. False where the two cannot be compared: another number of connections or another source. */
bool csd_wire_subtract(struct csd_wire_count *after, const struct csd_wire_count *before);

/* "nvme_tcp_trace", "tcp_info" or "none"; and why it is not the first. */
const char *csd_wire_source(const struct csd_wire *wire);
const char *csd_wire_reason(const struct csd_wire *wire);

void csd_wire_close(struct csd_wire *wire);

#endif
