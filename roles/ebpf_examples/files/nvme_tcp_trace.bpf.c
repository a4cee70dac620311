// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Counts NVMe/TCP on an interface, from tc's hooks. It only looks: every packet goes on as if it were not there. */

#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct follow;
struct operation;
struct command;
struct operation_key;
struct status_key;

static int packet_load(void *packet, __u32 offset, void *to, __u32 bytes);
static struct command *command_place(__u32 index);
static struct operation *operation_at(__u32 index);
static __u32 operation_find(const struct operation_key *key);
static int status_add(const struct status_key *key);
static void step_repeat(__u32 steps, struct follow *follow);

#include "nvme_tcp_packet.h"
#include "nvme_tcp_follow.h"

/* Leaves the packet to whoever else is attached here (TC_ACT_UNSPEC). */
#define GO_ON -1

/* Set before loading. The controller's ports; 0: no more. */
const volatile __u16 ports[MAX_PORTS] = {};
/* Only connections of this controller, IPv4 as IPv6-mapped; unless any is wanted. */
const volatile __u8 address[16] = {};
const volatile bool any_address = true;
/* Bytes before the IP header: Ethernet's, or none. */
const volatile __u32 link_bytes = ETHERNET_BYTES;

static const struct connection no_connection = {};

/* What closed without a word makes room for new ones. User space raises the size by what each CPU sets aside. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct connection_key);
	__type(value, struct connection);
} connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TIMED_CONNECTIONS * COMMANDS_PER_CONNECTION);
	__type(key, __u32);
	__type(value, struct command);
} commands SEC(".maps");

/* Where an operation's counters lie in `operations`; place 0 stays empty. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_OPERATIONS);
	__type(key, struct operation_key);
	__type(value, __u32);
} operation_places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_OPERATIONS);
	__type(key, __u32);
	__type(value, struct operation);
} operations SEC(".maps");

/* How often commands ended with a status that is not success. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_STATUSES);
	__type(key, struct status_key);
	__type(value, __u64);
} statuses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_PORTS);
	__type(key, __u32);
	__type(value, struct port_count);
} port_counts SEC(".maps");

/* What would be too much for the stack. Nothing interrupts us on a CPU that would come here too. */
struct scratch {
	struct segment segment;
	struct connection_key key;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* The last given place of an operation, and number of a connection. */
__u32 last_operation = 0;
__u32 last_connection = 0;

static __always_inline int packet_load(void *packet, __u32 offset, void *to, __u32 bytes)
{
	return bpf_skb_load_bytes(packet, offset, to, bytes);
}

static __always_inline struct command *command_place(__u32 index)
{
	return bpf_map_lookup_elem(&commands, &index);
}

static __always_inline struct operation *operation_at(__u32 index)
{
	return bpf_map_lookup_elem(&operations, &index);
}

static __always_inline __u32 operation_find(const struct operation_key *key)
{
	__u32 *found = bpf_map_lookup_elem(&operation_places, key);
	__u32 place;

	if (found)
		return *found;
	place = __sync_fetch_and_add(&last_operation, 1) + 1;
	if (place >= MAX_OPERATIONS) {
		/* So that it does not wrap around. */
		last_operation = MAX_OPERATIONS;
		return 0;
	}
	/* Two CPUs may come here with the same key: the first one's place is it, the other's stays empty. */
	bpf_map_update_elem(&operation_places, key, &place, BPF_NOEXIST);
	found = bpf_map_lookup_elem(&operation_places, key);
	return found ? *found : 0;
}

static __always_inline int status_add(const struct status_key *key)
{
	__u64 *count = bpf_map_lookup_elem(&statuses, key);
	__u64 none = 0;

	if (!count) {
		bpf_map_update_elem(&statuses, key, &none, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&statuses, key);
		if (!count)
			return -1;
	}
	__sync_fetch_and_add(count, 1);
	return 0;
}

static long step(__u32 index, void *follow)
{
	return follow_step(follow);
}

static __always_inline void step_repeat(__u32 steps, struct follow *follow)
{
	bpf_loop(steps, step, follow, 0);
}

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
	struct connection *connection = NULL;

	if (!bpf_map_update_elem(&connections, key, &no_connection, BPF_ANY))
		connection = bpf_map_lookup_elem(&connections, key);
	if (connection)
		connection->number = __sync_fetch_and_add(&last_connection, 1) + 1;
	else
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
	struct connection *connection = bpf_map_lookup_elem(&connections, key);

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

static __always_inline void on_tcp(struct __sk_buff *skb, struct scratch *scratch, struct port_count *port,
				    __u32 index, __u32 direction)
{
	const struct segment *segment = &scratch->segment;
	struct connection_key *key = &scratch->key;
	struct follow follow = { .packet = skb, .port = port, .port_index = index, .direction = direction };

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
		follow.now_ns = bpf_ktime_get_ns();
		stream_follow(&follow, segment->sequence + !!(segment->flags & FLAG_SYN), segment->payload,
			      segment->payload_bytes);
	}
	connection_ends(follow.connection, follow.stream, segment, port);
}

static __always_inline int on_packet(struct __sk_buff *skb)
{
	__u32 to_target, to_host, index = 0;
	struct segment *segment;
	struct scratch *scratch;
	struct port_count *port;
	enum packet_kind kind;

	scratch = bpf_map_lookup_elem(&scratches, &index);
	if (!scratch)
		return GO_ON;
	segment = &scratch->segment;
	kind = packet_segment(skb, skb->len, link_bytes, segment);
	if (kind == PACKET_OTHER)
		return GO_ON;
	to_target = port_index(segment->destination_port);
	to_host = port_index(segment->source_port);
	if (!any_address) {
		to_target = is_address(segment->destination) ? to_target : MAX_PORTS;
		to_host = is_address(segment->source) ? to_host : MAX_PORTS;
	}
	index = to_target < MAX_PORTS ? to_target : to_host;
	if (index >= MAX_PORTS)
		return GO_ON;
	port = bpf_map_lookup_elem(&port_counts, &index);
	if (!port)
		return GO_ON;
	if (kind == PACKET_FRAGMENT)
		port->fragments++;
	else if (kind == PACKET_MALFORMED)
		port->malformed++;
	else if (to_target < MAX_PORTS && to_host < MAX_PORTS)
		port->ambiguous++;
	else
		on_tcp(skb, scratch, port, index, to_target < MAX_PORTS ? TO_TARGET : TO_HOST);
	return GO_ON;
}

SEC("tc")
int nvme_tcp_out(struct __sk_buff *skb)
{
	return on_packet(skb);
}

SEC("tc")
int nvme_tcp_in(struct __sk_buff *skb)
{
	return on_packet(skb);
}
