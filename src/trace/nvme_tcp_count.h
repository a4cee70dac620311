/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */

/*
 * What is done with a packet: whose it is, and its connection's life. Compiled into the kernel's half, and natively for
 * its tests; each has its own functions declared below, and before this is included its ports[], address[], any_address
 * and link_bytes (see nvme_tcp_trace.bpf.c).
 */

#ifndef NVME_TCP_COUNT_H
#define NVME_TCP_COUNT_H

#include "nvme_tcp_follow.h"

/* What would be too much for the kernel's stack. */
struct scratch {
	struct segment segment;
	struct connection_key key;
};

static struct connection *connection_lookup(const struct connection_key *key);
/* A new one in place of the one there may be: zeroed, numbered. NULL: no room. */
static struct connection *connection_make(const struct connection_key *key);
static struct port_count *port_count_at(__u32 index);
static __u64 clock_ns(void);

/* The index of the port that is traced; MAX_PORTS: it is none. */
static __always_inline __u32 port_index(__u16 port)
{
	__u32 i;

	for (i = 0; i < MAX_PORTS && ports[i]; i++) {
		if (ports[i] == port)
			return i;
	}
	return MAX_PORTS;
}

static __always_inline bool is_address(const __u8 *found)
{
	int i;

	for (i = 0; i < 16; i++) {
		if (found[i] != address[i])
			return false;
	}
	return true;
}

static __always_inline struct connection *connection_begin(const struct connection_key *key, struct port_count *port)
{
	struct connection *connection = connection_make(key);

	if (!connection)
		port->no_room++;
	return connection;
}

static __always_inline void stream_begin(struct stream *stream, __u32 sequence)
{
	stream->state = STREAM_FOLLOWED;
	stream->next = sequence;
}

/* The connection that a segment belongs to. NULL: none that is worth following. */
static __always_inline struct connection *connection_find(const struct connection_key *key,
							   const struct segment *segment, struct port_count *port)
{
	struct connection *connection = connection_lookup(key);

	if (segment->flags & FLAG_SYN && !(segment->flags & FLAG_ACK)) {
		if (connection && connection->begun && connection->syn == segment->sequence)
			return connection;
		connection = connection_begin(key, port);
		if (!connection)
			return NULL;
		connection->begun = 1;
		connection->syn = segment->sequence;
		stream_begin(&connection->stream[TO_TARGET], segment->sequence + 1);
		port->connections_begun++;
	} else if (segment->flags & FLAG_SYN) {
		if (!connection) {
			/* Between the host's SYN and this one we came. */
			connection = connection_begin(key, port);
			if (!connection)
				return NULL;
			stream_begin(&connection->stream[TO_TARGET], segment->acknowledged);
			port->connections_begun++;
		}
		if (connection->stream[TO_HOST].state == STREAM_NEW)
			stream_begin(&connection->stream[TO_HOST], segment->sequence + 1);
	} else if (!connection && segment->payload_bytes) {
		connection = connection_begin(key, port);
		port->connections_joined += !!connection;
	}
	return connection;
}

static __always_inline void connection_ends(struct connection *connection, struct stream *stream,
					     const struct segment *segment, struct port_count *port)
{
	if (segment->flags & FLAG_FIN)
		stream->finished = 1;
	if (connection->ended)
		return;
	if (segment->flags & FLAG_RST ||
	    (connection->stream[TO_TARGET].finished && connection->stream[TO_HOST].finished)) {
		connection->ended = 1;
		port->connections_ended++;
	}
}

static __always_inline void count_tcp(void *packet, struct scratch *scratch, struct port_count *port, __u32 index,
				      __u32 direction)
{
	const struct segment *segment = &scratch->segment;
	struct connection_key *key = &scratch->key;
	struct follow follow = { .packet = packet, .port = port, .port_index = index, .direction = direction };

	if (direction == TO_TARGET) {
		__builtin_memcpy(key->target, segment->destination, 16);
		__builtin_memcpy(key->host, segment->source, 16);
		key->target_port = segment->destination_port;
		key->host_port = segment->source_port;
		follow.count = &port->direction[TO_TARGET];
	} else {
		__builtin_memcpy(key->target, segment->source, 16);
		__builtin_memcpy(key->host, segment->destination, 16);
		key->target_port = segment->source_port;
		key->host_port = segment->destination_port;
		follow.count = &port->direction[TO_HOST];
	}
	follow.count->packets++;
	follow.count->ip_bytes += segment->ip_bytes;
	/* Most packets without payload only acknowledge. */
	if (!segment->payload_bytes && !(segment->flags & (FLAG_SYN | FLAG_FIN | FLAG_RST)))
		return;
	follow.connection = connection_find(key, segment, port);
	if (!follow.connection)
		return;
	follow.stream = direction == TO_TARGET ? &follow.connection->stream[TO_TARGET] :
						 &follow.connection->stream[TO_HOST];
	if (segment->payload_bytes) {
		follow.now_ns = clock_ns();
		stream_follow(&follow, segment->sequence + !!(segment->flags & FLAG_SYN), segment->payload,
			      segment->payload_bytes);
	}
	connection_ends(follow.connection, follow.stream, segment, port);
}

static __always_inline void count_packet(void *packet, __u32 packet_bytes, struct scratch *scratch)
{
	struct segment *segment = &scratch->segment;
	__u32 to_target, to_host, index;
	struct port_count *port;
	enum packet_kind kind;

	kind = packet_segment(packet, packet_bytes, link_bytes, segment);
	if (kind == PACKET_OTHER)
		return;
	to_target = port_index(segment->destination_port);
	to_host = port_index(segment->source_port);
	if (!any_address) {
		to_target = is_address(segment->destination) ? to_target : MAX_PORTS;
		to_host = is_address(segment->source) ? to_host : MAX_PORTS;
	}
	index = to_target < MAX_PORTS ? to_target : to_host;
	if (index >= MAX_PORTS)
		return;
	port = port_count_at(index);
	if (!port)
		return;
	if (kind == PACKET_FRAGMENT)
		port->fragments++;
	else if (kind == PACKET_MALFORMED)
		port->malformed++;
	else if (to_target < MAX_PORTS && to_host < MAX_PORTS)
		port->ambiguous++;
	else
		count_tcp(packet, scratch, port, index, to_target < MAX_PORTS ? TO_TARGET : TO_HOST);
}

#endif /* NVME_TCP_COUNT_H */
