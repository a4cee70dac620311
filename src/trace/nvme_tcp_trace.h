/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */

/* What the two halves of nvme_tcp_trace tell each other. */

#ifndef NVME_TCP_TRACE_H
#define NVME_TCP_TRACE_H

#define MAX_PORTS 8
#define MAX_OPERATIONS 1024
#define MAX_STATUSES 1024
/* Commands on their way: so many for each connection, and for so many connections at a time. Both powers of two. */
#define COMMANDS_PER_CONNECTION 1024
#define TIMED_CONNECTIONS 512

/* PDU types are below this. */
#define PDU_TYPES 16

/* The longest PDU header that is looked into: a command capsule's. */
#define PDU_HEADER_MAX 72

/* Four buckets for each doubling, from 1024 ns on; the first takes what is faster, the last what is slower. */
#define LATENCY_SHIFT 10
#define LATENCY_OCTAVES 27
#define LATENCY_BUCKETS (LATENCY_OCTAVES * 4 + 2)

enum direction {
	TO_TARGET,
	TO_HOST,
	DIRECTIONS,
};

enum pdu_type {
	PDU_IC_REQ = 0x00,
	PDU_IC_RESP = 0x01,
	PDU_H2C_TERM_REQ = 0x02,
	PDU_C2H_TERM_REQ = 0x03,
	PDU_CAPSULE_CMD = 0x04,
	PDU_CAPSULE_RESP = 0x05,
	PDU_H2C_DATA = 0x06,
	PDU_C2H_DATA = 0x07,
	PDU_R2T = 0x09,
};

enum queue {
	/* The connection began before the tracer, which did not see its Connect. */
	QUEUE_UNKNOWN,
	QUEUE_ADMIN,
	QUEUE_IO,
	/* Not a queue of its own: Fabrics commands of any queue, counted by fctype. */
	QUEUE_FABRICS,
};

/* What commands are counted by. */
struct operation_key {
	/* Index into the ports that are traced. */
	__u16 port;
	/* enum queue */
	__u8 queue;
	/* Of a Fabrics command: its fctype. */
	__u8 opcode;
	/* 0 for admin and Fabrics commands. */
	__u32 nsid;
};

struct operation {
	__u64 commands;
	__u64 completions;
	/* Of the completions, those with another status than success. */
	__u64 failed;
	__u64 data_bytes[DIRECTIONS];
	__u64 latency_sum_ns;
	__u64 latency_min_ns;
	__u64 latency_max_ns;
	__u64 latency[LATENCY_BUCKETS];
};

struct status_key {
	/* Index into operations. */
	__u16 operation;
	/* Status code type 10:8 and status code 7:0. */
	__u16 status;
};

/*
 * One direction of one port. bytes = the sum of pdu_bytes + skipped_bytes + what is known of a header that has not come
 * whole.
 */
struct direction_count {
	/* Every TCP packet of the port, with and without payload, and its bytes from the IP header on. */
	__u64 packets;
	__u64 ip_bytes;
	/* TCP payload, each byte of the stream once. */
	__u64 bytes;
	/* Payload that had come by before: sent again, or late. Not in bytes. */
	__u64 repeated_bytes;
	/* Of bytes: passed over, because the packets after them came first. */
	__u64 unseen_bytes;
	/* How often that was. */
	__u64 gaps;
	/* Of bytes: in no PDU that could be followed. */
	__u64 skipped_bytes;
	/* How often the stream was followed and lost: by a gap that hid a header, by what is no PDU header. */
	__u64 lost_by_gap;
	__u64 lost_by_header;
	/* How often a stream, joined midway or lost, was found again. */
	__u64 synchronised;
	/* Of pdu_bytes: what commands write and read. */
	__u64 data_bytes;
	__u64 pdus[PDU_TYPES];
	__u64 pdu_bytes[PDU_TYPES];
};

struct port_count {
	struct direction_count direction[DIRECTIONS];
	__u64 connections_begun;
	/* Were there before the tracer. */
	__u64 connections_joined;
	__u64 connections_ended;
	/* Completions and data whose command was not seen, or was overwritten. */
	__u64 unmatched;
	/* Commands whose place in the table of those on their way was taken by another; they are not timed. */
	__u64 overwritten;
	/* Commands, statuses and connections for which a table had no room. */
	__u64 no_room;
	/* Packets of the port that could not be looked into: IP fragments, headers that are cut off. */
	__u64 fragments;
	__u64 malformed;
	/* Packets with the port on both ends: whose direction nobody can tell. */
	__u64 ambiguous;
	/* Packets left out because another CPU was just following the same stream. They show up as gaps too. */
	__u64 contended;
};

#endif /* NVME_TCP_TRACE_H */
