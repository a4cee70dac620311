/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */

/*
 * From a packet to its TCP segment: Ethernet with VLAN tags or none, IPv4 with options, IPv6 with extension headers.
 * Compiled into the kernel's half, and natively for its tests; each has its own functions declared here.
 */

#ifndef NVME_TCP_PACKET_H
#define NVME_TCP_PACKET_H

#include "nvme_tcp_trace.h"

#define ETHERNET_BYTES 14
#define MAX_VLAN_TAGS 2
#define MAX_EXTENSIONS 8

#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd
#define TYPE_VLAN 0x8100
#define TYPE_VLAN_OUTER 0x88a8

#define PROTOCOL_HOP_BY_HOP 0
#define PROTOCOL_TCP 6
#define PROTOCOL_ROUTING 43
#define PROTOCOL_FRAGMENT 44
#define PROTOCOL_AUTHENTICATION 51
#define PROTOCOL_DESTINATION 60

#define FLAG_FIN 0x01
#define FLAG_SYN 0x02
#define FLAG_RST 0x04
#define FLAG_ACK 0x10

/* A connection, seen from the target: the controller's end and the host's end. IPv4 addresses are IPv6-mapped. */
struct connection_key {
	__u8 target[16];
	__u8 host[16];
	__u16 target_port;
	__u16 host_port;
};

struct segment {
	__u8 source[16];
	__u8 destination[16];
	__u16 source_port;
	__u16 destination_port;
	__u32 sequence;
	__u32 acknowledged;
	__u32 flags;
	/* From the IP header on. */
	__u32 ip_bytes;
	/* Where in the packet the payload begins, and how long it is. */
	__u32 payload;
	__u32 payload_bytes;
};

enum packet_kind {
	/* Not TCP, or not IP at all. */
	PACKET_OTHER,
	PACKET_TCP,
	/* One of the pieces of a TCP packet: the ports may be missing. */
	PACKET_FRAGMENT,
	/* TCP, but what the headers say does not fit together. */
	PACKET_MALFORMED,
};

/* Copies bytes of the packet. Not 0: they are not all there. */
static int packet_load(void *packet, __u32 offset, void *to, __u32 bytes);

static __always_inline __u16 big16(const __u8 *at)
{
	return (__u16)(at[0] << 8 | at[1]);
}

static __always_inline __u32 big32(const __u8 *at)
{
	return (__u32)at[0] << 24 | (__u32)at[1] << 16 | (__u32)at[2] << 8 | at[3];
}

/* Where the IP packet begins and what it is. 0: not IP. */
static __always_inline __u16 packet_ip(void *packet, __u32 link_bytes, __u32 *ip)
{
	__u8 type[4];
	int i;

	*ip = link_bytes;
	if (!link_bytes) {
		if (packet_load(packet, 0, type, 1))
			return 0;
		return type[0] >> 4 == 4 ? TYPE_IPV4 : type[0] >> 4 == 6 ? TYPE_IPV6 : 0;
	}
	for (i = 0; i <= MAX_VLAN_TAGS; i++) {
		if (packet_load(packet, *ip - 2, type, 2))
			return 0;
		if (big16(type) != TYPE_VLAN && big16(type) != TYPE_VLAN_OUTER)
			return big16(type);
		*ip += 4;
	}
	return 0;
}

static __always_inline void map_ipv4(__u8 *to, const __u8 *from)
{
	__builtin_memset(to, 0, 10);
	to[10] = 0xff;
	to[11] = 0xff;
	__builtin_memcpy(to + 12, from, 4);
}

/* *end: where the IP packet ends; what follows is Ethernet's padding. */
static __always_inline enum packet_kind packet_ipv4(void *packet, __u32 packet_bytes, __u32 *at, __u32 *end,
						     struct segment *segment)
{
	__u32 length, fragment;
	__u8 ip[20];

	if (packet_load(packet, *at, ip, sizeof(ip)) || ip[0] >> 4 != 4 || ip[9] != PROTOCOL_TCP)
		return PACKET_OTHER;
	/* More fragments 13, offset 12:0. Only a first fragment has the ports. */
	fragment = big16(ip + 6) & 0x3fff;
	if (fragment & 0x1fff)
		return PACKET_OTHER;
	length = big16(ip + 2);
	/* BIG TCP: longer than the field can say. */
	*end = length ? *at + length : packet_bytes;
	segment->ip_bytes = *end - *at;
	*at += (ip[0] & 0xf) * 4;
	map_ipv4(segment->source, ip + 12);
	map_ipv4(segment->destination, ip + 16);
	if ((ip[0] & 0xf) < 5)
		return PACKET_MALFORMED;
	return fragment ? PACKET_FRAGMENT : PACKET_TCP;
}

static __always_inline enum packet_kind packet_ipv6(void *packet, __u32 packet_bytes, __u32 *at, __u32 *end,
						     struct segment *segment)
{
	__u8 ip[40], extension[8];
	enum packet_kind kind = PACKET_TCP;
	__u32 length, next;
	int i;

	if (packet_load(packet, *at, ip, sizeof(ip)) || ip[0] >> 4 != 6)
		return PACKET_OTHER;
	length = big16(ip + 4);
	/* A jumbogram, as BIG TCP makes them, is longer than the field can say. */
	*end = length ? *at + (__u32)sizeof(ip) + length : packet_bytes;
	segment->ip_bytes = *end - *at;
	*at += sizeof(ip);
	__builtin_memcpy(segment->source, ip + 8, 16);
	__builtin_memcpy(segment->destination, ip + 24, 16);
	next = ip[6];
	for (i = 0; i < MAX_EXTENSIONS; i++) {
		if (next == PROTOCOL_TCP)
			return kind;
		if (next != PROTOCOL_HOP_BY_HOP && next != PROTOCOL_ROUTING && next != PROTOCOL_DESTINATION &&
		    next != PROTOCOL_FRAGMENT && next != PROTOCOL_AUTHENTICATION)
			return PACKET_OTHER;
		if (packet_load(packet, *at, extension, sizeof(extension)))
			return PACKET_OTHER;
		if (next == PROTOCOL_FRAGMENT) {
			/* Offset 15:3, more fragments 0. One that is the whole is none; only a first one has the ports. */
			if (big16(extension + 2) & 0xfff8)
				return PACKET_OTHER;
			if (extension[3] & 1)
				kind = PACKET_FRAGMENT;
			*at += 8;
		} else if (next == PROTOCOL_AUTHENTICATION) {
			*at += (extension[1] + 2u) * 4;
		} else {
			*at += (extension[1] + 1u) * 8;
		}
		next = extension[0];
	}
	return PACKET_OTHER;
}

static __always_inline enum packet_kind packet_segment(void *packet, __u32 packet_bytes, __u32 link_bytes,
							struct segment *segment)
{
	enum packet_kind kind = PACKET_OTHER;
	__u32 at, end = 0;
	__u8 tcp[20];
	__u16 type;

	type = packet_ip(packet, link_bytes, &at);
	if (type == TYPE_IPV4)
		kind = packet_ipv4(packet, packet_bytes, &at, &end, segment);
	else if (type == TYPE_IPV6)
		kind = packet_ipv6(packet, packet_bytes, &at, &end, segment);
	if (kind == PACKET_OTHER)
		return kind;
	/* The ports are wanted of a malformed packet and of a first fragment too: to know whose it is. */
	if (packet_load(packet, at, tcp, sizeof(tcp)))
		return PACKET_OTHER;
	segment->source_port = big16(tcp);
	segment->destination_port = big16(tcp + 2);
	segment->sequence = big32(tcp + 4);
	segment->acknowledged = big32(tcp + 8);
	segment->flags = tcp[13];
	at += (tcp[12] >> 4) * 4;
	if (kind != PACKET_TCP)
		return kind;
	if (tcp[12] >> 4 < 5 || at > end || end > packet_bytes)
		return PACKET_MALFORMED;
	segment->payload = at;
	segment->payload_bytes = end - at;
	return PACKET_TCP;
}

#endif /* NVME_TCP_PACKET_H */
