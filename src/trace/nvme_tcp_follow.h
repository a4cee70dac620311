/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */

/*
 * Follows NVMe/TCP's PDUs through one direction of a TCP connection, whatever way it is cut into segments, and counts.
 * Compiled into the kernel's half, and natively for its tests; each has its own functions declared below.
 *
 * What changes from step to step lies in the stream and not on the stack: to the kernel's verifier it is then any
 * number at each step, and it need not follow the loop's rounds one by one.
 */

#ifndef NVME_TCP_FOLLOW_H
#define NVME_TCP_FOLLOW_H

#include "nvme_tcp_packet.h"

/* Lengths that no PDU has; the largest data PDUs of the field are some megabytes. */
#define PDU_BYTES_MAX (64u << 20)
#define TERM_REQ_BYTES_MAX 152
/* So much is looked at, at once, to tell a PDU header from data; the shortest PDU is as long. */
#define SEARCH_BYTES 24
/* A packet's first so many positions are tried; a stream that hides its headers behind them is found a packet later. */
#define SEARCH_POSITIONS 16384

#define PDU_FLAG_HEADER_DIGEST 0x01
#define PDU_FLAG_DATA_DIGEST 0x02
#define PDU_FLAG_LAST 0x04
#define PDU_FLAG_SUCCESS 0x08
#define DIGEST_BYTES 4

#define FABRICS_OPCODE 0x7f
#define FABRICS_CONNECT 0x01

enum stream_state {
	/* No payload was seen, and no SYN: where it stands is not known. */
	STREAM_NEW,
	/* Looks for a PDU header. */
	STREAM_LOST,
	/* Found what looks like one. Where another follows at the place that it tells, it was one. */
	STREAM_CHECKED,
	STREAM_FOLLOWED,
};

/* One direction of a connection. */
struct stream {
	/* The sequence number of the first byte that has not come. */
	__u32 next;
	/* Of the PDU that is passing, the bytes to come. */
	__u32 left;
	/* In the packet at hand: where its unread payload begins, and how much it is. */
	__u32 at;
	__u32 remaining;
	/* Positions of this packet that were tried for a header. */
	__u32 searched;
	/* A CPU is following it. */
	__u32 busy;
	/* enum stream_state */
	__u8 state;
	/* Bytes of the header of the next PDU that have come. */
	__u8 have;
	/* Of the PDU that is passing. */
	__u8 type;
	__u8 finished;
	/* The PDU that is passing completes this command when it has passed. */
	__u8 completes;
	__u8 reserved;
	__u16 completed_cid;
	/* Twice the size that is used: the verifier knows the bounds of offset and length, not that of their sum. */
	__u8 header[PDU_HEADER_MAX * 2];
};

struct connection {
	/* Counts connections from 1 on; commands know theirs by it, so that they do not outlive it. */
	__u32 number;
	/* The sequence number of the host's SYN, where it was seen. */
	__u32 syn;
	__u8 begun;
	__u8 ended;
	/* enum queue */
	__u8 queue;
	__u8 reserved;
	struct stream stream[DIRECTIONS];
};

/* A command on its way. */
struct command {
	__u32 connection;
	__u16 cid;
	/* Index; 0: none is on its way here. */
	__u16 operation;
	__u64 begun_ns;
};

/* What a step works on. */
struct follow {
	void *packet;
	struct connection *connection;
	struct stream *stream;
	struct direction_count *count;
	struct port_count *port;
	__u64 now_ns;
	__u32 port_index;
	__u32 direction;
};

/* NULL: there is no such place. */
static struct command *command_place(__u32 index);
static struct operation *operation_at(__u32 index);
/* 0: no room. */
static __u32 operation_find(const struct operation_key *key);
/* Not 0: no room. */
static int status_add(const struct status_key *key);
/* follow_step() until it returns 1, at most so often. */
static void step_repeat(__u32 steps, struct follow *follow);

static __always_inline __u16 little16(const __u8 *at)
{
	return (__u16)(at[1] << 8 | at[0]);
}

static __always_inline __u32 little32(const __u8 *at)
{
	return (__u32)at[3] << 24 | (__u32)at[2] << 16 | (__u32)at[1] << 8 | at[0];
}

static __always_inline __u32 least(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

/* --- What a PDU header says --- */

static __always_inline __u32 pdu_digest_bytes(const __u8 *header, __u8 flag)
{
	return header[1] & flag ? DIGEST_BYTES : 0;
}

/* Bytes of data in a PDU that may have some. */
static __always_inline __u32 pdu_data_bytes(const __u8 *header)
{
	__u32 whole = little32(header + 4), offset = header[3];
	__u32 digest = pdu_digest_bytes(header, PDU_FLAG_DATA_DIGEST);

	return offset && whole > offset + digest ? whole - offset - digest : 0;
}

/* The flags that a PDU type may have. */
static __always_inline __u8 pdu_flags(__u8 type)
{
	switch (type) {
	case PDU_CAPSULE_CMD:
		return PDU_FLAG_HEADER_DIGEST | PDU_FLAG_DATA_DIGEST;
	case PDU_H2C_DATA:
		return PDU_FLAG_HEADER_DIGEST | PDU_FLAG_DATA_DIGEST | PDU_FLAG_LAST;
	case PDU_C2H_DATA:
		return PDU_FLAG_HEADER_DIGEST | PDU_FLAG_DATA_DIGEST | PDU_FLAG_LAST | PDU_FLAG_SUCCESS;
	case PDU_CAPSULE_RESP:
	case PDU_R2T:
		return PDU_FLAG_HEADER_DIGEST;
	default:
		return 0;
	}
}

/* The length that a type's HLEN must say; 0: no type that comes in this direction. */
static __always_inline __u32 pdu_header_bytes(__u8 type, __u32 direction)
{
	if (direction == TO_TARGET) {
		return type == PDU_CAPSULE_CMD ? 72 : type == PDU_H2C_DATA || type == PDU_H2C_TERM_REQ ? 24 :
		       type == PDU_IC_REQ ? 128 : 0;
	}
	return type == PDU_C2H_DATA || type == PDU_CAPSULE_RESP || type == PDU_R2T || type == PDU_C2H_TERM_REQ ? 24 :
	       type == PDU_IC_RESP ? 128 : 0;
}

/*
 * Whether the common header can be one of this direction: type, flags, HLEN, PDO and PLEN known and in agreement.
 * Returns how many bytes of the header are to be looked into; 0: it cannot.
 */
static __always_inline __u32 pdu_check(const __u8 *header, __u32 direction)
{
	__u8 type = header[0], flags = header[1];
	__u32 expected = pdu_header_bytes(type, direction);
	__u32 whole = little32(header + 4);
	__u32 bare = expected + pdu_digest_bytes(header, PDU_FLAG_HEADER_DIGEST);
	__u32 data = header[3];

	if (!expected || header[2] != expected || flags & ~pdu_flags(type) || whole < bare || whole > PDU_BYTES_MAX)
		return 0;
	switch (type) {
	case PDU_IC_REQ:
	case PDU_IC_RESP:
		return whole == bare ? SEARCH_BYTES : 0;
	case PDU_H2C_TERM_REQ:
	case PDU_C2H_TERM_REQ:
		return whole <= TERM_REQ_BYTES_MAX ? SEARCH_BYTES : 0;
	case PDU_CAPSULE_RESP:
	case PDU_R2T:
		return whole == bare ? SEARCH_BYTES : 0;
	case PDU_CAPSULE_CMD:
		if (whole == bare)
			return PDU_HEADER_MAX;
		return data >= bare && data + pdu_digest_bytes(header, PDU_FLAG_DATA_DIGEST) < whole ? PDU_HEADER_MAX : 0;
	default:
		return data >= bare && data + pdu_digest_bytes(header, PDU_FLAG_DATA_DIGEST) <= whole ? SEARCH_BYTES : 0;
	}
}

/* What data would hardly look like by chance: also the first 24 bytes in agreement, and reserved fields 0. */
static __always_inline int pdu_check_strictly(const __u8 *header, __u32 direction)
{
	__u8 type = header[0];

	if (!pdu_check(header, direction))
		return 0;
	if (type == PDU_H2C_DATA || type == PDU_C2H_DATA) {
		return little32(header + 16) == pdu_data_bytes(header) && !little32(header + 20) && !(header[3] & 3);
	}
	if (type == PDU_CAPSULE_CMD)
		return !header[3] == (little32(header + 4) <= 76);
	return !header[3];
}

/* --- Commands and how they end --- */

static __always_inline __u32 latency_bucket(__u64 nanoseconds)
{
	__u64 high = nanoseconds >> LATENCY_SHIFT;
	__u32 octave = 0;

	if (!high)
		return 0;
	/* log2, by halves */
	if (high >> 32)
		return LATENCY_BUCKETS - 1;
	if (high >> 16) {
		octave += 16;
		high >>= 16;
	}
	if (high >> 8) {
		octave += 8;
		high >>= 8;
	}
	if (high >> 4) {
		octave += 4;
		high >>= 4;
	}
	if (high >> 2) {
		octave += 2;
		high >>= 2;
	}
	if (high >> 1)
		octave += 1;
	if (octave >= LATENCY_OCTAVES)
		return LATENCY_BUCKETS - 1;
	return 1 + octave * 4 + ((nanoseconds >> (octave + LATENCY_SHIFT - 2)) & 3);
}

static __always_inline struct command *command_of(const struct follow *follow, __u16 cid)
{
	__u32 row = follow->connection->number & (TIMED_CONNECTIONS - 1);

	return command_place(row * COMMANDS_PER_CONNECTION + (cid & (COMMANDS_PER_CONNECTION - 1)));
}

/* The same, where that command is on its way. */
static __always_inline struct command *command_known(const struct follow *follow, __u16 cid)
{
	struct command *command = command_of(follow, cid);

	if (command && command->operation && command->connection == follow->connection->number && command->cid == cid)
		return command;
	follow->port->unmatched++;
	return (struct command *)0;
}

static __always_inline void command_begins(const struct follow *follow, const __u8 *sqe, __u32 data_bytes)
{
	struct operation_key key = { .port = follow->port_index, .queue = follow->connection->queue, .opcode = sqe[0] };
	struct operation *operation;
	struct command *command;
	__u32 index;

	if (key.opcode == FABRICS_OPCODE) {
		key.queue = QUEUE_FABRICS;
		key.opcode = sqe[4];
		/* QID, CDW10 31:16 */
		if (key.opcode == FABRICS_CONNECT)
			follow->connection->queue = little16(sqe + 42) ? QUEUE_IO : QUEUE_ADMIN;
	} else if (key.queue != QUEUE_ADMIN) {
		key.nsid = little32(sqe + 4);
	}
	index = operation_find(&key);
	operation = operation_at(index);
	command = command_of(follow, little16(sqe + 2));
	if (!index || !operation || !command) {
		follow->port->no_room++;
		return;
	}
	__sync_fetch_and_add(&operation->commands, 1);
	if (data_bytes)
		__sync_fetch_and_add(&operation->data_bytes[TO_TARGET], data_bytes);
	if (command->operation && command->connection == follow->connection->number)
		follow->port->overwritten++;
	command->connection = follow->connection->number;
	command->cid = little16(sqe + 2);
	command->operation = index;
	command->begun_ns = follow->now_ns;
}

static __always_inline void command_data(const struct follow *follow, __u16 cid, __u32 bytes)
{
	struct command *command = command_known(follow, cid);
	struct operation *operation = command ? operation_at(command->operation) : (struct operation *)0;

	if (operation)
		__sync_fetch_and_add(&operation->data_bytes[follow->direction & 1], bytes);
}

static __always_inline void command_ends(const struct follow *follow, __u16 cid, __u16 status)
{
	struct command *command = command_known(follow, cid);
	struct operation *operation = command ? operation_at(command->operation) : (struct operation *)0;
	__u64 nanoseconds;
	__u32 bucket;

	if (!command || !operation)
		return;
	nanoseconds = follow->now_ns > command->begun_ns ? follow->now_ns - command->begun_ns : 0;
	bucket = latency_bucket(nanoseconds);
	__sync_fetch_and_add(&operation->completions, 1);
	__sync_fetch_and_add(&operation->latency_sum_ns, nanoseconds);
	if (bucket < LATENCY_BUCKETS)
		__sync_fetch_and_add(&operation->latency[bucket], 1);
	/* Two CPUs that do this at once may lose a new extreme; the counts are exact. */
	if (!operation->latency_min_ns || nanoseconds < operation->latency_min_ns)
		operation->latency_min_ns = nanoseconds;
	if (nanoseconds > operation->latency_max_ns)
		operation->latency_max_ns = nanoseconds;
	if (status) {
		struct status_key key = { .operation = command->operation, .status = status };

		__sync_fetch_and_add(&operation->failed, 1);
		if (status_add(&key))
			follow->port->no_room++;
	}
	command->operation = 0;
}

/* --- The stream --- */

/* Passes over bytes of the PDU at hand: they are in this packet, or in a gap. */
static __always_inline void stream_pass(const struct follow *follow, __u32 bytes)
{
	struct stream *stream = follow->stream;

	stream->left -= bytes;
	if (stream->state == STREAM_FOLLOWED)
		follow->count->pdu_bytes[stream->type & (PDU_TYPES - 1)] += bytes;
	else
		follow->count->skipped_bytes += bytes;
	if (!stream->left && stream->completes) {
		stream->completes = 0;
		command_ends(follow, stream->completed_cid, 0);
	}
}

static __always_inline void stream_take(struct stream *stream, __u32 bytes)
{
	stream->at += bytes;
	stream->remaining -= bytes;
}

static __always_inline void stream_skip(const struct follow *follow, __u32 bytes)
{
	follow->count->skipped_bytes += bytes;
	stream_take(follow->stream, bytes);
}

/* What it knew of the PDU at hand is worth nothing any more. */
static __always_inline void stream_lose(const struct follow *follow)
{
	struct stream *stream = follow->stream;

	follow->count->skipped_bytes += stream->have;
	stream->have = 0;
	stream->left = 0;
	stream->completes = 0;
	stream->state = STREAM_LOST;
}

static __always_inline void stream_pdu(const struct follow *follow, const __u8 *header)
{
	__u8 type = header[0];
	__u32 data_bytes = pdu_data_bytes(header);

	follow->count->pdus[type & (PDU_TYPES - 1)]++;
	if (type == PDU_CAPSULE_CMD) {
		follow->count->data_bytes += data_bytes;
		command_begins(follow, header + 8, data_bytes);
	} else if (type == PDU_CAPSULE_RESP) {
		command_ends(follow, little16(header + 8 + 12), little16(header + 8 + 14) >> 1 & 0x7ff);
	} else if (type == PDU_H2C_DATA || type == PDU_C2H_DATA) {
		follow->count->data_bytes += data_bytes;
		command_data(follow, little16(header + 8), data_bytes);
		if (header[1] & PDU_FLAG_SUCCESS) {
			follow->stream->completes = 1;
			follow->stream->completed_cid = little16(header + 8);
		}
	}
}

/* Looks whether a PDU begins here. */
static __always_inline long step_search(const struct follow *follow)
{
	struct stream *stream = follow->stream;

	if (stream->remaining < SEARCH_BYTES || stream->searched >= SEARCH_POSITIONS ||
	    packet_load(follow->packet, stream->at, stream->header, SEARCH_BYTES)) {
		stream_skip(follow, stream->remaining);
		return 1;
	}
	stream->searched++;
	if (!pdu_check_strictly(stream->header, follow->direction)) {
		stream_skip(follow, 1);
		return 0;
	}
	stream->state = STREAM_CHECKED;
	stream->left = little32(stream->header + 4);
	return 0;
}

/* Collects the next PDU's header, which may come in pieces. */
static __always_inline long step_header(const struct follow *follow)
{
	struct stream *stream = follow->stream;
	__u32 have = stream->have, take, but_one, need, direction = follow->direction;

	if (have >= PDU_HEADER_MAX)
		return 1;
	take = least(PDU_HEADER_MAX - have, stream->remaining);
	/* Linux 6.1's verifier learns from a comparison with a limit that a number is not 0, and not from one with 0. */
	but_one = take - 1;
	asm volatile("" : "+r"(but_one));
	if (but_one >= PDU_HEADER_MAX ||
	    packet_load(follow->packet, stream->at, stream->header + have, but_one + 1)) {
		/* Bytes that the headers of the packet promise, and that it does not have. */
		follow->port->malformed++;
		stream_skip(follow, stream->remaining);
		stream_lose(follow);
		return 1;
	}
	need = stream->state == STREAM_CHECKED ? SEARCH_BYTES : 8;
	if (have + take >= need) {
		need = pdu_check(stream->header, direction);
		if (need && stream->state == STREAM_CHECKED && !pdu_check_strictly(stream->header, direction))
			need = 0;
		if (!need) {
			if (stream->state == STREAM_FOLLOWED)
				follow->count->lost_by_header++;
			stream_lose(follow);
			return 0;
		}
	}
	if (have + take < need) {
		stream->have = have + take;
		stream_take(stream, take);
		return 0;
	}
	if (stream->state == STREAM_CHECKED) {
		stream->state = STREAM_FOLLOWED;
		follow->count->synchronised++;
	}
	stream_take(stream, need - have);
	stream->have = 0;
	stream->type = stream->header[0];
	stream->left = little32(stream->header + 4);
	stream_pdu(follow, stream->header);
	stream_pass(follow, need);
	return 0;
}

/* Goes on to the end of the PDU at hand, or of the packet. */
static __always_inline void stream_advance(const struct follow *follow)
{
	struct stream *stream = follow->stream;
	__u32 bytes = least(stream->left, stream->remaining);

	if (bytes) {
		stream_take(stream, bytes);
		stream_pass(follow, bytes);
	}
}

static __always_inline long follow_step(const struct follow *follow)
{
	struct stream *stream = follow->stream;

	stream_advance(follow);
	if (!stream->remaining)
		return 1;
	return stream->state == STREAM_LOST ? step_search(follow) : step_header(follow);
}

/*
 * Where the segment stands in the stream. What came before is left out; what did not come is passed over: where it lies
 * within a PDU whose length is known, that does not harm.
 */
static __always_inline void stream_place(const struct follow *follow, __u32 sequence, __u32 payload, __u32 bytes)
{
	struct stream *stream = follow->stream;
	struct direction_count *count = follow->count;
	__s32 skew;
	__u32 ahead;

	if (stream->state == STREAM_NEW) {
		stream->state = STREAM_LOST;
		stream->next = sequence;
	}
	skew = (__s32)(sequence - stream->next);
	if (skew > 0) {
		ahead = skew;
		count->gaps++;
		count->unseen_bytes += ahead;
		count->bytes += ahead;
		if (!stream->have && stream->left >= ahead) {
			stream_pass(follow, ahead);
		} else {
			if (stream->state == STREAM_FOLLOWED)
				count->lost_by_gap++;
			count->skipped_bytes += ahead - least(ahead, stream->left);
			stream_pass(follow, least(ahead, stream->left));
			stream_lose(follow);
		}
		stream->next = sequence;
	} else if (skew < 0) {
		ahead = least(-(__u32)skew, bytes);
		count->repeated_bytes += ahead;
		payload += ahead;
		bytes -= ahead;
	}
	stream->next += bytes;
	stream->at = payload;
	stream->remaining = bytes;
	stream->searched = 0;
	count->bytes += bytes;
}

/* A segment's payload. */
static __always_inline void stream_follow(struct follow *follow, __u32 sequence, __u32 payload, __u32 bytes)
{
	struct stream *stream = follow->stream;

	/* One CPU at a time; it is hardly ever two, and then the one that is late shows up as a gap. */
	if (__sync_lock_test_and_set(&stream->busy, 1)) {
		follow->port->contended++;
		return;
	}
	stream_place(follow, sequence, payload, bytes);
	/* Most packets of a large transfer are the middle of a PDU, and nothing else. */
	stream_advance(follow);
	/* More than there can be: a step that takes no byte of the packet is followed by one that does. */
	if (stream->remaining)
		step_repeat(2 * stream->remaining + 2, follow);
	__sync_lock_test_and_set(&stream->busy, 0);
}

#endif /* NVME_TCP_FOLLOW_H */
