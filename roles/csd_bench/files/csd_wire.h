/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Bytes on the wire: exactly what the connections to the target carried (TCP payload, each byte once), from the
 * kernel's own counters of each connection; and beside it what the network interface counted.
 *
 * This is the one place where bytes are counted: nvme_tcp_trace takes over here.
 */
#ifndef CSD_WIRE_H
#define CSD_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct csd_wire {
	bool known;			/* false: there is no connection to count (a local device) */
	bool own_sockets;		/* this process holds the connections; else the kernel's nvme-tcp does */
	struct sockaddr_storage peer;
	char interface[32];		/* through which the peer is reached; empty: unknown */
};

struct csd_wire_count {
	uint32_t connections;		/* 0: nothing could be counted */
	uint64_t to_host;
	uint64_t to_target;
	uint64_t interface_received;
	uint64_t interface_sent;
};

/* `address` and `port` in numbers. False where they are not that. */
bool csd_wire_init(struct csd_wire *wire, const char *address, const char *port, bool own_sockets);

/* The counters now. Their difference over a measurement is what it moved, while `connections` stays the same. */
void csd_wire_read(const struct csd_wire *wire, struct csd_wire_count *count);

#endif
