/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Whole packets: their headers in all forms, and the life of connections. */
#include "test_nvme_tcp.h"

/* How a packet is made. */
struct shape {
	unsigned int vlan_tags;
	bool ipv6;
	bool no_link;
	__u8 ip_options;		/* words */
	__u8 tcp_options;		/* words */
	__u8 extensions[4];		/* IPv6: their types; 0xff: none */
	__u32 padding;			/* behind the IP packet */
	bool no_length;			/* BIG TCP */
	__u16 fragment;			/* IPv4: the field; IPv6: of the fragment header */
};

static const struct shape g_plain = { .extensions = { 0xff, 0xff, 0xff, 0xff } };

struct tcp {
	enum direction direction;
	__u16 host_port;
	__u32 sequence;
	__u32 acknowledged;
	__u8 flags;
	const __u8 *payload;
	__u32 bytes;
};

static struct bytes g_frame;

static void
put(const void *from, __u32 bytes)
{
	CHECK(g_frame.length + bytes <= sizeof(g_frame.at));
	memcpy(g_frame.at + g_frame.length, from, bytes);
	g_frame.length += bytes;
}

static void
put_big(__u32 value, unsigned int bytes)
{
	__u8 big[4];
	unsigned int i;

	for (i = 0; i < bytes; i++) {
		big[i] = (__u8)(value >> 8 * (bytes - 1 - i));
	}
	put(big, bytes);
}

static void
put_link(const struct shape *shape)
{
	static const __u8 addresses[12];
	unsigned int i;

	if (shape->no_link) {
		return;
	}
	put(addresses, 12);
	for (i = 0; i < shape->vlan_tags; i++) {
		put_big(i + 1 < shape->vlan_tags ? TYPE_VLAN_OUTER : TYPE_VLAN, 2);
		put_big(5, 2);
	}
	put_big(shape->ipv6 ? TYPE_IPV6 : TYPE_IPV4, 2);
}

static const __u8 g_target[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1 };
static const __u8 g_host[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2 };

static void
put_ipv4(const struct shape *shape, const struct tcp *tcp)
{
	static const __u8 options[40];
	__u32 header = 20 + shape->ip_options * 4u;
	const __u8 *source = tcp->direction == TO_TARGET ? g_host : g_target;
	const __u8 *destination = tcp->direction == TO_TARGET ? g_target : g_host;

	put_big(0x4000 | header / 4 << 8, 2);
	put_big(shape->no_length ? 0 : header + 20 + shape->tcp_options * 4u + tcp->bytes, 2);
	put_big(1, 2);
	put_big(shape->fragment, 2);
	put_big(64 << 8 | PROTOCOL_TCP, 2);
	put_big(0, 2);
	put(source + 12, 4);
	put(destination + 12, 4);
	put(options, shape->ip_options * 4u);
}

static void
put_ipv6(const struct shape *shape, const struct tcp *tcp)
{
	__u8 extensions[64] = { 0 }, *at = extensions, *type;
	__u8 first = PROTOCOL_TCP;
	unsigned int i;

	type = &first;
	for (i = 0; i < 4 && shape->extensions[i] != 0xff; i++) {
		*type = shape->extensions[i];
		type = at;
		if (shape->extensions[i] == PROTOCOL_FRAGMENT) {
			at[2] = (__u8)(shape->fragment >> 8);
			at[3] = (__u8)shape->fragment;
			at += 8;
		} else if (shape->extensions[i] == PROTOCOL_AUTHENTICATION) {
			at[1] = 2;	/* 16 bytes */
			at += 16;
		} else {
			at[1] = 1;	/* 16 bytes */
			at += 16;
		}
		*type = PROTOCOL_TCP;
	}
	put_big(6u << 28, 4);
	put_big(shape->no_length ? 0 : (__u32)(at - extensions) + 20 + shape->tcp_options * 4u + tcp->bytes, 2);
	put_big(first << 8 | 64, 2);
	put(tcp->direction == TO_TARGET ? g_host : g_target, 16);
	put(tcp->direction == TO_TARGET ? g_target : g_host, 16);
	put(extensions, (__u32)(at - extensions));
}

static void
count(const __u8 *frame, __u32 length)
{
	__u8 *copy = malloc(length + 1);
	struct packet packet = { .bytes = copy, .length = length };
	struct scratch scratch = { 0 };

	memcpy(copy, frame, length);
	count_packet(&packet, length, &scratch);
	free(copy);
}

static void
make(const struct shape *shape, const struct tcp *tcp)
{
	static const __u8 options[40];
	static const __u8 padding[64] = { 0xee };

	g_frame.length = 0;
	link_bytes = shape->no_link ? 0 : 14;
	put_link(shape);
	if (shape->ipv6) {
		put_ipv6(shape, tcp);
	} else {
		put_ipv4(shape, tcp);
	}
	put_big(tcp->direction == TO_TARGET ? tcp->host_port : 4420, 2);
	put_big(tcp->direction == TO_TARGET ? 4420 : tcp->host_port, 2);
	put_big(tcp->sequence, 4);
	put_big(tcp->acknowledged, 4);
	put_big((5u + shape->tcp_options) << 12 | tcp->flags, 2);
	put_big(1000, 2);
	put_big(0, 4);
	put(options, shape->tcp_options * 4u);
	put(tcp->payload, tcp->bytes);
	put(padding, shape->padding);
}

static void
send_tcp(const struct shape *shape, const struct tcp *tcp)
{
	make(shape, tcp);
	count(g_frame.at, g_frame.length);
}

static void
send_flags(enum direction direction, __u16 host_port, __u8 flags, __u32 sequence, __u32 acknowledged)
{
	struct tcp tcp = { .direction = direction, .host_port = host_port, .flags = flags, .sequence = sequence,
			   .acknowledged = acknowledged, .payload = (const __u8 *)"" };

	send_tcp(&g_plain, &tcp);
}

static void
send_bytes(const struct shape *shape, enum direction direction, __u16 host_port, __u32 sequence,
	   const struct bytes *bytes)
{
	struct tcp tcp = { .direction = direction, .host_port = host_port, .flags = FLAG_ACK, .sequence = sequence,
			   .payload = bytes->at, .bytes = bytes->length };

	send_tcp(shape, &tcp);
}

static struct bytes g_commands_sent, g_responses;

static void
make_exchange(void)
{
	memset(&g_commands_sent, 0, sizeof(g_commands_sent));
	memset(&g_responses, 0, sizeof(g_responses));
	put_command(&g_commands_sent, 0, 0x02, 1, 1, 0);
	put_command(&g_commands_sent, 0, 0x02, 2, 1, 0);
	put_response(&g_responses, 0, 1, 0);
	put_response(&g_responses, 0, 2, 0);
}

static void
handshake(__u16 host_port, __u32 to_target, __u32 to_host)
{
	send_flags(TO_TARGET, host_port, FLAG_SYN, to_target, 0);
	send_flags(TO_HOST, host_port, FLAG_SYN | FLAG_ACK, to_host, to_target + 1);
	send_flags(TO_TARGET, host_port, FLAG_ACK, to_target + 1, to_host + 1);
}

static void
exchange(const struct shape *shape)
{
	reset();
	make_exchange();
	handshake(50000, 100, 200);
	if (shape->ipv6) {
		/* The other address family is another connection: joined midway, unless it begins so too. */
		struct tcp syn = { .direction = TO_TARGET, .host_port = 50000, .flags = FLAG_SYN, .sequence = 100,
				   .payload = (const __u8 *)"" };

		reset();
		send_tcp(shape, &syn);
		syn.direction = TO_HOST;
		syn.flags = FLAG_SYN | FLAG_ACK;
		syn.sequence = 200;
		send_tcp(shape, &syn);
	}
	send_bytes(shape, TO_TARGET, 50000, 101, &g_commands_sent);
	send_bytes(shape, TO_HOST, 50000, 201, &g_responses);
}

static void
check_exchange(void)
{
	CHECK_U64(g.port.direction[TO_TARGET].bytes, 144);
	CHECK_U64(g.port.direction[TO_HOST].bytes, 48);
	CHECK_U64(g.port.direction[TO_TARGET].pdus[PDU_CAPSULE_CMD], 2);
	CHECK_U64(g.port.direction[TO_HOST].pdus[PDU_CAPSULE_RESP], 2);
	CHECK_U64(operation(QUEUE_UNKNOWN, 0x02, 1)->completions, 2);
	CHECK_U64(g.port.connections_begun, 1);
	CHECK_U64(g.port.connections_joined + g.port.malformed + g.port.fragments + g.port.ambiguous, 0);
}

static void
test_headers_in_all_forms(void)
{
	static const __u8 extensions[][4] = {
		{ 0xff, 0xff, 0xff, 0xff }, { PROTOCOL_HOP_BY_HOP, 0xff, 0xff, 0xff },
		{ PROTOCOL_HOP_BY_HOP, PROTOCOL_ROUTING, PROTOCOL_FRAGMENT, PROTOCOL_AUTHENTICATION },
		{ PROTOCOL_DESTINATION, PROTOCOL_AUTHENTICATION, PROTOCOL_DESTINATION, 0xff },
	};
	struct shape shape = g_plain;
	unsigned int tags, words, i, big;

	for (tags = 0; tags <= MAX_VLAN_TAGS; tags++) {
		for (words = 0; words <= 10; words++) {
			for (big = 0; big < 2; big++) {
				shape = g_plain;
				shape.vlan_tags = tags;
				shape.ip_options = (__u8)words;
				shape.tcp_options = (__u8)words;
				shape.no_length = big;
				shape.padding = big ? 0 : 6;
				exchange(&shape);
				check_exchange();
			}
		}
		for (i = 0; i < 4; i++) {
			shape = g_plain;
			shape.ipv6 = true;
			shape.vlan_tags = tags;
			shape.tcp_options = 3;
			shape.no_length = i == 1;
			memcpy(shape.extensions, extensions[i], 4);
			exchange(&shape);
			check_exchange();
		}
	}
}

static void
test_without_a_link_header(void)
{
	struct shape shape = g_plain;
	struct tcp tcp = { .direction = TO_TARGET, .host_port = 50000, .flags = FLAG_SYN, .sequence = 100,
			   .payload = (const __u8 *)"" };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		shape.no_link = true;
		shape.ipv6 = i;
		reset();
		make_exchange();
		send_tcp(&shape, &tcp);
		send_bytes(&shape, TO_TARGET, 50000, 101, &g_commands_sent);
		CHECK_U64(g.port.direction[TO_TARGET].pdus[PDU_CAPSULE_CMD], 2);
	}
	link_bytes = 14;
}

/* What is not looked into is told, and what is not ours is not. */
static void
test_fragments(void)
{
	struct shape shape = g_plain;

	reset();
	make_exchange();
	shape.fragment = 0x2000;
	send_bytes(&shape, TO_TARGET, 50000, 101, &g_commands_sent);
	CHECK_U64(g.port.fragments, 1);
	shape.fragment = 0x0010;	/* a later one: has no ports */
	send_bytes(&shape, TO_TARGET, 50000, 101, &g_commands_sent);
	CHECK_U64(g.port.fragments, 1);
	shape.ipv6 = true;
	shape.extensions[0] = PROTOCOL_FRAGMENT;
	shape.fragment = 1;
	send_bytes(&shape, TO_TARGET, 50000, 101, &g_commands_sent);
	CHECK_U64(g.port.fragments, 2);
	shape.fragment = 0x0010;
	send_bytes(&shape, TO_TARGET, 50000, 101, &g_commands_sent);
	CHECK_U64(g.port.fragments, 2);
	CHECK_U64(g.port.direction[TO_TARGET].bytes, 0);
}

static void
test_malformed(void)
{
	struct tcp tcp = { .direction = TO_TARGET, .host_port = 50000, .flags = FLAG_ACK, .sequence = 1 };
	__u32 cut;

	reset();
	make_exchange();
	tcp.payload = g_commands_sent.at;
	tcp.bytes = 72;
	make(&g_plain, &tcp);
	/* Headers that promise more than there is */
	for (cut = 14 + 20 + 20; cut < g_frame.length; cut++) {
		count(g_frame.at, cut);
	}
	CHECK_U64(g.port.malformed, 72);
	for (cut = 0; cut < 14 + 20 + 20; cut++) {
		count(g_frame.at, cut);		/* not even that */
	}
	CHECK_U64(g.port.malformed, 72);
	g_frame.at[14 + 20 + 12] = 0x40;	/* a TCP header of 16 bytes */
	count(g_frame.at, g_frame.length);
	g_frame.at[14 + 20 + 12] = 0xf0;	/* of 60: beyond what the other header says of the whole */
	g_frame.at[14 + 3] = 60;
	count(g_frame.at, g_frame.length);
	CHECK_U64(g.port.malformed, 74);
	CHECK_U64(g.port.direction[TO_TARGET].packets, 0);
}

static void
test_other_traffic(void)
{
	struct tcp tcp = { .direction = TO_TARGET, .host_port = 50000, .flags = FLAG_ACK, .payload = (const __u8 *)"" };

	reset();
	make(&g_plain, &tcp);
	g_frame.at[14 + 9] = 17;		/* UDP */
	count(g_frame.at, g_frame.length);
	g_frame.at[14 + 9] = PROTOCOL_TCP;
	g_frame.at[14 + 20 + 3] = 80;		/* another port */
	count(g_frame.at, g_frame.length);
	g_frame.at[12] = 0x88;			/* LLDP */
	g_frame.at[13] = 0xcc;
	count(g_frame.at, g_frame.length);
	CHECK_U64(g.port.direction[TO_TARGET].packets + g.port.malformed + g.port.fragments, 0);
	tcp.host_port = 4420;
	send_tcp(&g_plain, &tcp);
	CHECK_U64(g.port.ambiguous, 1);
}

static void
test_address(void)
{
	reset();
	make_exchange();
	any_address = false;
	memcpy(address, g_target, 16);
	handshake(50000, 100, 200);
	send_bytes(&g_plain, TO_TARGET, 50000, 101, &g_commands_sent);
	send_bytes(&g_plain, TO_HOST, 50000, 201, &g_responses);
	check_exchange();
	address[15]++;
	reset();
	handshake(50000, 100, 200);
	send_bytes(&g_plain, TO_TARGET, 50000, 101, &g_commands_sent);
	CHECK_U64(g.port.direction[TO_TARGET].packets + g.port.direction[TO_HOST].packets, 0);
	any_address = true;
}

static void
test_packets_and_their_bytes(void)
{
	struct shape shape = g_plain;

	reset();
	make_exchange();
	shape.ip_options = 1;
	shape.tcp_options = 3;
	shape.padding = 10;
	handshake(50000, 100, 200);
	send_bytes(&shape, TO_TARGET, 50000, 101, &g_commands_sent);
	send_bytes(&shape, TO_TARGET, 50000, 101, &g_commands_sent);	/* again */
	CHECK_U64(g.port.direction[TO_TARGET].packets, 4);
	CHECK_U64(g.port.direction[TO_TARGET].ip_bytes, 40 + 40 + 2 * (24 + 32 + 144));
	CHECK_U64(g.port.direction[TO_TARGET].bytes, 144);
	CHECK_U64(g.port.direction[TO_TARGET].repeated_bytes, 144);
}

static void
test_connections_come_and_go(void)
{
	reset();
	make_exchange();
	handshake(50000, 100, 200);
	send_flags(TO_TARGET, 50000, FLAG_SYN, 100, 0);			/* sent again */
	send_flags(TO_HOST, 50000, FLAG_SYN | FLAG_ACK, 200, 101);
	send_bytes(&g_plain, TO_TARGET, 50000, 101, &g_commands_sent);
	CHECK_U64(g.port.connections_begun, 1);
	send_flags(TO_TARGET, 50000, FLAG_FIN | FLAG_ACK, 245, 201);
	CHECK_U64(g.port.connections_ended, 0);
	send_bytes(&g_plain, TO_HOST, 50000, 201, &g_responses);	/* half closed: goes on */
	send_flags(TO_HOST, 50000, FLAG_FIN | FLAG_ACK, 249, 246);
	send_flags(TO_HOST, 50000, FLAG_FIN | FLAG_ACK, 249, 246);
	CHECK_U64(g.port.connections_ended, 1);
	check_exchange();
	send_flags(TO_TARGET, 50000, FLAG_RST, 246, 0);
	CHECK_U64(g.port.connections_ended, 1);

	/* The port is used again, with other sequence numbers, in the middle of a PDU of the old connection. */
	handshake(50000, 90000000, 3000000000u);
	send_bytes(&g_plain, TO_TARGET, 50000, 90000001, &g_commands_sent);
	send_bytes(&g_plain, TO_HOST, 50000, 3000000001u, &g_responses);
	CHECK_U64(g.port.connections_begun, 2);
	CHECK_U64(g.port.direction[TO_TARGET].pdus[PDU_CAPSULE_CMD], 4);
	CHECK_U64(operation(QUEUE_UNKNOWN, 0x02, 1)->completions, 4);
	CHECK_U64(g.port.unmatched + g.port.direction[TO_TARGET].gaps + g.port.direction[TO_HOST].gaps, 0);
	send_flags(TO_HOST, 50000, FLAG_RST, 3000000049u, 0);
	CHECK_U64(g.port.connections_ended, 2);
}

static void
test_joined_midway(void)
{
	reset();
	make_exchange();
	send_flags(TO_HOST, 50000, FLAG_ACK, 7, 8);			/* nothing to learn from */
	CHECK_U64(g.port.connections_joined, 0);
	send_bytes(&g_plain, TO_TARGET, 50000, 5000, &g_commands_sent);
	send_bytes(&g_plain, TO_HOST, 50000, 6000, &g_responses);
	CHECK_U64(g.port.connections_joined, 1);
	CHECK_U64(g.port.connections_begun, 0);
	CHECK_U64(g.port.direction[TO_TARGET].skipped_bytes, 72);	/* found by the second */
	CHECK_U64(g.port.direction[TO_TARGET].synchronised, 1);
	CHECK_U64(g.port.direction[TO_TARGET].bytes, 144);
	CHECK_U64(operation(QUEUE_UNKNOWN, 0x02, 1)->commands, 1);
	/* The tracer came between SYN and SYN ACK: nothing is missing. */
	send_flags(TO_HOST, 50001, FLAG_SYN | FLAG_ACK, 200, 101);
	send_bytes(&g_plain, TO_TARGET, 50001, 101, &g_commands_sent);
	send_bytes(&g_plain, TO_HOST, 50001, 201, &g_responses);
	CHECK_U64(g.port.connections_begun, 1);
	CHECK_U64(operation(QUEUE_UNKNOWN, 0x02, 1)->commands, 3);
	CHECK_U64(operation(QUEUE_UNKNOWN, 0x02, 1)->completions, 3);
}

/* With data in the SYN, as TCP Fast Open does. */
static void
test_data_in_the_syn(void)
{
	struct tcp tcp = { .direction = TO_TARGET, .host_port = 50000, .flags = FLAG_SYN, .sequence = 100 };

	reset();
	make_exchange();
	tcp.payload = g_commands_sent.at;
	tcp.bytes = g_commands_sent.length;
	send_tcp(&g_plain, &tcp);
	CHECK_U64(g.port.direction[TO_TARGET].pdus[PDU_CAPSULE_CMD], 2);
	CHECK_U64(g.port.direction[TO_TARGET].skipped_bytes, 0);
}

static void
test_several_connections(void)
{
	__u16 port;
	__u32 from;

	reset();
	make_exchange();
	for (port = 50000; port < 50010; port++) {
		handshake(port, 100u * port, 200u * port);
	}
	/* Byte by byte, all of them at once, their commands numbered alike. */
	for (from = 0; from < g_commands_sent.length; from++) {
		for (port = 50000; port < 50010; port++) {
			struct tcp tcp = { .direction = TO_TARGET, .host_port = port, .flags = FLAG_ACK,
					   .sequence = 100u * port + 1 + from, .payload = g_commands_sent.at + from,
					   .bytes = 1 };

			send_tcp(&g_plain, &tcp);
		}
	}
	for (port = 50000; port < 50010; port++) {
		send_bytes(&g_plain, TO_HOST, port, 200u * port + 1, &g_responses);
	}
	CHECK_U64(operation(QUEUE_UNKNOWN, 0x02, 1)->completions, 20);
	CHECK_U64(g.port.unmatched, 0);
}

/* More connections than there is room for are told. */
static void
test_no_room_for_connections(void)
{
	__u16 port;

	reset();
	for (port = 0; port < MAX_TEST_CONNECTIONS + 3; port++) {
		send_flags(TO_TARGET, 50000 + port, FLAG_SYN, 1, 0);
	}
	CHECK_U64(g.port.no_room, 3);
	CHECK_U64(g.port.connections_begun, MAX_TEST_CONNECTIONS);
}

/* Any bytes as a packet: nothing is read beside it (AddressSanitizer looks). */
static void
test_damaged_packets(void)
{
	struct shape shape = g_plain;
	unsigned int i, j;

	reset();
	make_exchange();
	for (i = 0; i < 200000; i++) {
		struct tcp tcp = { .direction = any(2), .host_port = 50000, .flags = (__u8)(1u << any(5)),
				   .sequence = any(4) * 24, .payload = g_commands_sent.at, .bytes = any(144) };

		shape.vlan_tags = any(3);
		shape.ipv6 = any(2);
		shape.ip_options = (__u8)any(4);
		shape.tcp_options = (__u8)any(4);
		shape.extensions[0] = any(2) ? 0xff : PROTOCOL_HOP_BY_HOP;
		make(&shape, &tcp);
		for (j = any(6); j > 0; j--) {
			g_frame.at[any(g_frame.length)] = (__u8)any(256);
		}
		count(g_frame.at, any(8) ? g_frame.length : any(g_frame.length));
		if (i % 1000 == 0) {
			reset();
		}
	}
}

int
main(void)
{
	RUN(test_headers_in_all_forms);
	RUN(test_without_a_link_header);
	RUN(test_fragments);
	RUN(test_malformed);
	RUN(test_other_traffic);
	RUN(test_address);
	RUN(test_packets_and_their_bytes);
	RUN(test_connections_come_and_go);
	RUN(test_joined_midway);
	RUN(test_data_in_the_syn);
	RUN(test_several_connections);
	RUN(test_no_room_for_connections);
	RUN(test_damaged_packets);
	return check_done();
}
