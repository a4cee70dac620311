/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */

/* What the kernel's half is compiled natively with, and PDUs to feed it. */

#ifndef TEST_NVME_TCP_H
#define TEST_NVME_TCP_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "nvme_tcp_trace.h"

static __u16 ports[MAX_PORTS] = { 4420 };
static __u8 address[16];
static bool any_address = true;
static __u32 link_bytes = 14;

#include "nvme_tcp_count.h"

#define MAX_TEST_CONNECTIONS 16

/* The packet at hand; each is allocated for itself, so that AddressSanitizer sees every byte read beside it. */
struct packet {
	const __u8 *bytes;
	__u32 length;
};

static struct command g_commands[TIMED_CONNECTIONS * COMMANDS_PER_CONNECTION];
static struct {
	struct operation_key keys[MAX_OPERATIONS];
	struct operation operations[MAX_OPERATIONS];
	__u32 last_operation;
	struct {
		struct status_key key;
		__u64 count;
	} statuses[64];
	struct {
		struct connection_key key;
		struct connection connection;
		bool used;
	} connections[MAX_TEST_CONNECTIONS];
	__u32 last_connection;
	struct port_count port;
	__u64 now_ns;
	/* The most operations and connections that there is room for. */
	__u32 operation_room;
} g;

static inline void
reset(void)
{
	memset(&g, 0, sizeof(g));
	/* The first connections': no test makes more. */
	memset(g_commands, 0, sizeof(g_commands[0]) * COMMANDS_PER_CONNECTION * (MAX_TEST_CONNECTIONS + 1));
	g.operation_room = MAX_OPERATIONS - 1;
}

static inline int
packet_load(void *packet, __u32 offset, void *to, __u32 bytes)
{
	const struct packet *from = packet;

	if (offset > from->length || bytes > from->length - offset) {
		return -1;
	}
	memcpy(to, from->bytes + offset, bytes);
	return 0;
}

static inline struct command *
command_place(__u32 index)
{
	return index < TIMED_CONNECTIONS * COMMANDS_PER_CONNECTION ? &g_commands[index] : NULL;
}

static inline struct operation *
operation_at(__u32 index)
{
	return index < MAX_OPERATIONS ? &g.operations[index] : NULL;
}

static inline __u32
operation_find(const struct operation_key *key)
{
	__u32 i;

	for (i = 1; i <= g.last_operation; i++) {
		if (memcmp(&g.keys[i], key, sizeof(*key)) == 0) {
			return i;
		}
	}
	if (g.last_operation == g.operation_room) {
		return 0;
	}
	g.keys[++g.last_operation] = *key;
	return g.last_operation;
}

static inline int
status_add(const struct status_key *key)
{
	unsigned int i;

	for (i = 0; i < 64; i++) {
		if (g.statuses[i].count == 0 || memcmp(&g.statuses[i].key, key, sizeof(*key)) == 0) {
			g.statuses[i].key = *key;
			g.statuses[i].count++;
			return 0;
		}
	}
	return -1;
}

static inline void
step_repeat(__u32 steps, struct follow *follow)
{
	__u32 i;

	for (i = 0; i < steps && follow_step(follow) == 0; i++) {
	}
	/* Whatever is in the segment, so many steps are enough. */
	if (follow->stream->remaining != 0) {
		CHECK(!"the steps were not enough");
	}
}

static inline struct connection *
connection_lookup(const struct connection_key *key)
{
	unsigned int i;

	for (i = 0; i < MAX_TEST_CONNECTIONS; i++) {
		if (g.connections[i].used && memcmp(&g.connections[i].key, key, sizeof(*key)) == 0) {
			return &g.connections[i].connection;
		}
	}
	return NULL;
}

static inline struct connection *
connection_make(const struct connection_key *key)
{
	struct connection *connection = connection_lookup(key);
	unsigned int i;

	for (i = 0; connection == NULL && i < MAX_TEST_CONNECTIONS; i++) {
		if (!g.connections[i].used) {
			g.connections[i].used = true;
			g.connections[i].key = *key;
			connection = &g.connections[i].connection;
		}
	}
	if (connection != NULL) {
		memset(connection, 0, sizeof(*connection));
		connection->number = ++g.last_connection;
	}
	return connection;
}

static inline struct port_count *
port_count_at(__u32 index)
{
	return index == 0 ? &g.port : NULL;
}

static inline __u64
clock_ns(void)
{
	return g.now_ns;
}

static inline struct operation *
operation(enum queue queue, __u8 opcode, __u32 nsid)
{
	struct operation_key key = { .queue = queue, .opcode = opcode, .nsid = nsid };
	__u32 before = g.last_operation, found = operation_find(&key);

	/* Looking does not make one. */
	g.last_operation = before;
	return &g.operations[found <= before ? found : 0];
}

/* --- Random numbers, the same ones in each run --- */

static uint64_t g_random = 88172645463325252ull;

static inline uint32_t
any(uint32_t limit)
{
	g_random ^= g_random << 13;
	g_random ^= g_random >> 7;
	g_random ^= g_random << 17;
	return (uint32_t)(g_random >> 16) % limit;
}

/* --- PDUs --- */

struct bytes {
	__u8 at[1u << 20];
	__u32 length;
	__u32 pdus;
	/* Where each PDU begins. */
	__u32 starts[4096];
};

static inline void
put16(__u8 *at, __u32 value)
{
	at[0] = (__u8)value;
	at[1] = (__u8)(value >> 8);
}

static inline void
put32(__u8 *at, __u32 value)
{
	put16(at, value);
	put16(at + 2, value >> 16);
}

/* A PDU with `data` bytes; digests as the flags say. Returns where its header lies. */
static inline __u8 *
put_pdu(struct bytes *to, __u8 type, __u8 flags, __u32 data)
{
	__u32 header = type == PDU_CAPSULE_CMD ? 72 : type == PDU_IC_REQ || type == PDU_IC_RESP ? 128 : 24;
	__u32 offset = header + (flags & PDU_FLAG_HEADER_DIGEST ? 4 : 0), i;
	__u32 whole = offset + data + (data && flags & PDU_FLAG_DATA_DIGEST ? 4 : 0);
	__u8 *at = to->at + to->length;

	CHECK(to->length + whole <= sizeof(to->at) && to->pdus < 4096);
	to->starts[to->pdus++] = to->length;
	to->length += whole;
	memset(at, 0, header);
	for (i = header; i < whole; i++) {
		at[i] = (__u8)any(256);
	}
	at[0] = type;
	at[1] = flags;
	at[2] = (__u8)header;
	at[3] = data && type != PDU_H2C_TERM_REQ && type != PDU_C2H_TERM_REQ ? (__u8)offset : 0;
	put32(at + 4, whole);
	return at;
}

static inline void
put_command(struct bytes *to, __u8 flags, __u8 opcode, __u16 cid, __u32 nsid, __u32 data)
{
	__u8 *sqe = put_pdu(to, PDU_CAPSULE_CMD, flags, data) + 8;

	sqe[0] = opcode;
	put16(sqe + 2, cid);
	put32(sqe + 4, nsid);
}

static inline void
put_connect(struct bytes *to, __u8 flags, __u16 cid, __u16 qid)
{
	__u8 *sqe = put_pdu(to, PDU_CAPSULE_CMD, flags, 1024) + 8;

	sqe[0] = FABRICS_OPCODE;
	put16(sqe + 2, cid);
	sqe[4] = FABRICS_CONNECT;
	put16(sqe + 42, qid);
}

static inline void
put_response(struct bytes *to, __u8 flags, __u16 cid, __u16 status)
{
	__u8 *cqe = put_pdu(to, PDU_CAPSULE_RESP, flags, 0) + 8;

	put16(cqe + 12, cid);
	put16(cqe + 14, (__u32)status << 1);
}

static inline void
put_data(struct bytes *to, __u8 type, __u8 flags, __u16 cid, __u32 data)
{
	__u8 *header = put_pdu(to, type, flags, data);

	put16(header + 8, cid);
	put32(header + 16, data);
}

#endif /* TEST_NVME_TCP_H */
