// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Counts NVMe/TCP on an interface, from tc's hooks. It only looks: every packet goes on as if it were not there. */

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#include "nvme_tcp_trace.h"

/* Set before loading. The controller's ports; 0: no more. */
const volatile __u16 ports[MAX_PORTS] = {};
/* Only connections of this controller, IPv4 as IPv6-mapped; unless any is wanted. */
const volatile __u8 address[16] = {};
const volatile bool any_address = true;
/* Bytes before the IP header: Ethernet's, or none. */
const volatile __u32 link_bytes = 14;

#include "nvme_tcp_count.h"

/* Leaves the packet to whoever else is attached here (TC_ACT_UNSPEC). */
#define GO_ON -1

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

/* Nothing interrupts us on a CPU that would come here too. */
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

static __always_inline struct connection *connection_lookup(const struct connection_key *key)
{
	return bpf_map_lookup_elem(&connections, key);
}

static __always_inline struct connection *connection_make(const struct connection_key *key)
{
	struct connection *connection = NULL;

	if (!bpf_map_update_elem(&connections, key, &no_connection, BPF_ANY))
		connection = bpf_map_lookup_elem(&connections, key);
	if (connection)
		connection->number = __sync_fetch_and_add(&last_connection, 1) + 1;
	return connection;
}

static __always_inline struct port_count *port_count_at(__u32 index)
{
	return bpf_map_lookup_elem(&port_counts, &index);
}

static __always_inline __u64 clock_ns(void)
{
	return bpf_ktime_get_ns();
}

static __always_inline int on_packet(struct __sk_buff *skb)
{
	struct scratch *scratch;
	__u32 first = 0;

	scratch = bpf_map_lookup_elem(&scratches, &first);
	if (scratch)
		count_packet(skb, skb->len, scratch);
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
