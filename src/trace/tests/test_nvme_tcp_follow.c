/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The same streams, cut into segments in every way: what is counted does not depend on it. */
#include "test_nvme_tcp.h"

#define FIRST_SEQUENCE 0xfffffe00u	/* so that sequence numbers wrap around in the middle */

static struct bytes g_to_target, g_to_host;
static struct connection g_connection;

static void
begin_connection(bool seen)
{
	reset();
	memset(&g_connection, 0, sizeof(g_connection));
	g_connection.number = 1;
	if (seen) {
		stream_begin(&g_connection.stream[TO_TARGET], FIRST_SEQUENCE);
		stream_begin(&g_connection.stream[TO_HOST], FIRST_SEQUENCE);
	}
}

/* One segment: bytes [from, to) of a stream. */
static void
feed(enum direction direction, const struct bytes *stream, __u32 from, __u32 to)
{
	__u8 *copy = malloc(to - from + 1);
	struct packet packet = { .bytes = copy, .length = to - from };
	struct follow follow = { .packet = &packet, .connection = &g_connection, .port = &g.port, .now_ns = g.now_ns,
				 .direction = direction, .stream = &g_connection.stream[direction],
				 .count = &g.port.direction[direction] };

	CHECK(copy != NULL && to <= stream->length);
	memcpy(copy, stream->at + from, to - from);
	stream_follow(&follow, FIRST_SEQUENCE + from, 0, to - from);
	free(copy);
}

/* Every byte is in exactly one place, however the stream went. */
static void
check_sum(void)
{
	unsigned int direction, type;

	for (direction = 0; direction < DIRECTIONS; direction++) {
		const struct direction_count *count = &g.port.direction[direction];
		__u64 sum = count->skipped_bytes + g_connection.stream[direction].have;

		for (type = 0; type < PDU_TYPES; type++) {
			sum += count->pdu_bytes[type];
		}
		CHECK_U64(sum, count->bytes);
	}
}

/* A host's and a controller's stream with all PDU types, with and without digests. */
static void
make_conversation(__u8 digests)
{
	__u8 header = digests & PDU_FLAG_HEADER_DIGEST;

	memset(&g_to_target, 0, sizeof(g_to_target));
	memset(&g_to_host, 0, sizeof(g_to_host));
	put_pdu(&g_to_target, PDU_IC_REQ, 0, 0);
	put_pdu(&g_to_host, PDU_IC_RESP, 0, 0);
	put_connect(&g_to_target, digests, 1, 3);
	put_response(&g_to_host, header, 1, 0);
	put_command(&g_to_target, header, 0x02, 7, 1, 0);
	put_command(&g_to_target, digests, 0x01, 8, 1, 100);		/* a write with its data in the capsule */
	put_command(&g_to_target, header, 0x82, 0x1009, 3, 0);		/* a scan; as Linux numbers commands */
	put_command(&g_to_target, header, 0x01, 10, 1, 0);		/* a write whose data are asked for */
	put_data(&g_to_host, PDU_C2H_DATA, digests, 7, 300);
	put_data(&g_to_host, PDU_C2H_DATA, digests | PDU_FLAG_LAST, 7, 212);
	put_response(&g_to_host, header, 7, 0);
	put_pdu(&g_to_host, PDU_R2T, header, 0);
	put_response(&g_to_host, header, 8, 0x080);			/* LBA out of range */
	put_data(&g_to_target, PDU_H2C_DATA, digests, 10, 128);
	put_data(&g_to_target, PDU_H2C_DATA, digests | PDU_FLAG_LAST, 10, 64);
	put_data(&g_to_host, PDU_C2H_DATA, digests | PDU_FLAG_LAST | PDU_FLAG_SUCCESS, 0x1009, 80);
	put_response(&g_to_host, header, 10, 0);
	put_pdu(&g_to_target, PDU_H2C_TERM_REQ, 0, 8);
	put_pdu(&g_to_host, PDU_C2H_TERM_REQ, 0, 100);
}

static void
check_pdu(enum direction direction, __u8 type, __u64 count, __u64 bytes)
{
	CHECK_U64(g.port.direction[direction].pdus[type], count);
	CHECK_U64(g.port.direction[direction].pdu_bytes[type], bytes);
}

static void
check_conversation(__u8 digests)
{
	const struct direction_count *target = &g.port.direction[TO_TARGET], *host = &g.port.direction[TO_HOST];
	__u32 h = digests & PDU_FLAG_HEADER_DIGEST ? 4 : 0, d = digests & PDU_FLAG_DATA_DIGEST ? 4 : 0;

	check_sum();
	CHECK_U64(target->bytes, g_to_target.length);
	CHECK_U64(host->bytes, g_to_host.length);
	CHECK_U64(target->skipped_bytes + host->skipped_bytes, 0);
	check_pdu(TO_TARGET, PDU_IC_REQ, 1, 128);
	check_pdu(TO_TARGET, PDU_CAPSULE_CMD, 5, 5 * (72 + h) + 1024 + d + 100 + d);
	check_pdu(TO_TARGET, PDU_H2C_DATA, 2, 2 * (24 + h + d) + 192);
	check_pdu(TO_TARGET, PDU_H2C_TERM_REQ, 1, 32);
	check_pdu(TO_HOST, PDU_IC_RESP, 1, 128);
	check_pdu(TO_HOST, PDU_CAPSULE_RESP, 4, 4 * (24 + h));
	check_pdu(TO_HOST, PDU_C2H_DATA, 3, 3 * (24 + h + d) + 592);
	check_pdu(TO_HOST, PDU_R2T, 1, 24 + h);
	check_pdu(TO_HOST, PDU_C2H_TERM_REQ, 1, 124);
	CHECK_U64(target->data_bytes, 1024 + 100 + 192);
	CHECK_U64(host->data_bytes, 592);
	CHECK_U64(operation(QUEUE_FABRICS, FABRICS_CONNECT, 0)->completions, 1);
	CHECK_U64(operation(QUEUE_FABRICS, FABRICS_CONNECT, 0)->data_bytes[TO_TARGET], 1024);
	CHECK_U64(operation(QUEUE_IO, 0x02, 1)->commands, 1);
	CHECK_U64(operation(QUEUE_IO, 0x02, 1)->completions, 1);
	CHECK_U64(operation(QUEUE_IO, 0x02, 1)->data_bytes[TO_HOST], 512);
	CHECK_U64(operation(QUEUE_IO, 0x01, 1)->commands, 2);
	CHECK_U64(operation(QUEUE_IO, 0x01, 1)->completions, 2);
	CHECK_U64(operation(QUEUE_IO, 0x01, 1)->failed, 1);
	CHECK_U64(operation(QUEUE_IO, 0x01, 1)->data_bytes[TO_TARGET], 292);
	CHECK_U64(operation(QUEUE_IO, 0x82, 3)->completions, 1);
	CHECK_U64(operation(QUEUE_IO, 0x82, 3)->data_bytes[TO_HOST], 80);
	CHECK_U64(g.statuses[0].key.status, 0x080);
	CHECK_U64(g.statuses[0].count, 1);
	CHECK_U64(g.statuses[1].count, 0);
	CHECK_U64(g.last_operation, 4);
	CHECK_U64(g.port.unmatched + g.port.overwritten + g.port.no_room + g.port.malformed + g.port.contended, 0);
}

static const __u8 g_digests[] = { 0, PDU_FLAG_HEADER_DIGEST, PDU_FLAG_DATA_DIGEST,
				  PDU_FLAG_HEADER_DIGEST | PDU_FLAG_DATA_DIGEST };

/* Two segments, cut at every byte; then three, cut at every pair of bytes of the first PDUs. */
static void
test_every_cut(void)
{
	unsigned int i;
	__u32 cut, second;

	for (i = 0; i < 4; i++) {
		make_conversation(g_digests[i]);
		for (cut = 1; cut < g_to_target.length; cut++) {
			begin_connection(true);
			feed(TO_TARGET, &g_to_target, 0, cut);
			check_sum();
			feed(TO_TARGET, &g_to_target, cut, g_to_target.length);
			feed(TO_HOST, &g_to_host, 0, g_to_host.length);
			check_conversation(g_digests[i]);
		}
		for (cut = 1; cut < g_to_host.length; cut++) {
			begin_connection(true);
			feed(TO_TARGET, &g_to_target, 0, g_to_target.length);
			feed(TO_HOST, &g_to_host, 0, cut);
			check_sum();
			feed(TO_HOST, &g_to_host, cut, g_to_host.length);
			check_conversation(g_digests[i]);
		}
	}
	make_conversation(PDU_FLAG_HEADER_DIGEST);
	for (cut = 1; cut < 400; cut++) {
		for (second = cut + 1; second < 500; second += 3) {
			begin_connection(true);
			feed(TO_TARGET, &g_to_target, 0, g_to_target.length);
			feed(TO_HOST, &g_to_host, 0, cut);
			feed(TO_HOST, &g_to_host, cut, second);
			feed(TO_HOST, &g_to_host, second, g_to_host.length);
			check_conversation(PDU_FLAG_HEADER_DIGEST);
		}
	}
}

static void
feed_in_pieces(enum direction direction, const struct bytes *stream, __u32 size)
{
	__u32 from;

	for (from = 0; from < stream->length; from += size) {
		feed(direction, stream, from, least(from + size, stream->length));
	}
}

/* Segments of every size, from one byte on. */
static void
test_every_segment_size(void)
{
	unsigned int i;
	__u32 size;

	for (i = 0; i < 4; i++) {
		make_conversation(g_digests[i]);
		for (size = 1; size < 260; size++) {
			begin_connection(true);
			feed_in_pieces(TO_TARGET, &g_to_target, size);
			feed_in_pieces(TO_HOST, &g_to_host, size);
			check_conversation(g_digests[i]);
		}
	}
}

/* Random segments; some come again, whole, in part, or along with what is new. */
static void
feed_with_repeats(enum direction direction, const struct bytes *stream, __u64 *repeated)
{
	__u32 reached = 0, from, to;

	while (reached < stream->length) {
		from = any(3) == 0 ? any(reached + 1) : reached;
		to = least(from + 1 + any(200), stream->length);
		feed(direction, stream, from, to);
		*repeated += least(to, reached) - from;
		reached = to > reached ? to : reached;
	}
}

static void
test_repeats(void)
{
	unsigned int i;

	for (i = 0; i < 4000; i++) {
		__u64 repeated[DIRECTIONS] = { 0 };

		make_conversation(g_digests[i % 4]);
		begin_connection(true);
		feed_with_repeats(TO_TARGET, &g_to_target, &repeated[TO_TARGET]);
		feed_with_repeats(TO_HOST, &g_to_host, &repeated[TO_HOST]);
		check_conversation(g_digests[i % 4]);
		CHECK_U64(g.port.direction[TO_TARGET].repeated_bytes, repeated[TO_TARGET]);
		CHECK_U64(g.port.direction[TO_HOST].repeated_bytes, repeated[TO_HOST]);
		CHECK_U64(g.port.direction[TO_HOST].gaps, 0);
	}
}

/* Reads of some kilobytes, one after another. */
static void
make_reads(unsigned int count, __u32 data)
{
	unsigned int i;

	memset(&g_to_target, 0, sizeof(g_to_target));
	memset(&g_to_host, 0, sizeof(g_to_host));
	for (i = 0; i < count; i++) {
		put_command(&g_to_target, 0, 0x02, (__u16)i, 1, 0);
		put_data(&g_to_host, PDU_C2H_DATA, PDU_FLAG_LAST, (__u16)i, data);
		put_response(&g_to_host, 0, (__u16)i, 0);
	}
}

/* What is missing lies within the data of one PDU: nothing is lost, and the late bytes are not counted twice. */
static void
test_gap_in_data(void)
{
	const struct direction_count *count = &g.port.direction[TO_HOST];

	make_reads(10, 4096);
	begin_connection(true);
	feed(TO_TARGET, &g_to_target, 0, g_to_target.length);
	feed(TO_HOST, &g_to_host, 0, 100);
	feed(TO_HOST, &g_to_host, 4000, g_to_host.length);
	feed(TO_HOST, &g_to_host, 100, 4000);
	check_sum();
	CHECK_U64(count->bytes, g_to_host.length);
	CHECK_U64(count->gaps, 1);
	CHECK_U64(count->unseen_bytes, 3900);
	CHECK_U64(count->repeated_bytes, 3900);
	CHECK_U64(count->skipped_bytes + count->lost_by_gap, 0);
	CHECK_U64(operation(QUEUE_UNKNOWN, 0x02, 1)->completions, 10);
	CHECK_U64(operation(QUEUE_UNKNOWN, 0x02, 1)->data_bytes[TO_HOST], 40960);
}

/* A header is missing: the place is lost, found again behind it, and what lies between is told. */
static void
test_gap_over_header(void)
{
	const struct direction_count *count = &g.port.direction[TO_HOST];

	make_reads(10, 4096);
	begin_connection(true);
	feed(TO_TARGET, &g_to_target, 0, g_to_target.length);
	feed(TO_HOST, &g_to_host, 0, 4000);
	feed(TO_HOST, &g_to_host, 4130, g_to_host.length);	/* from within the first response */
	check_sum();
	CHECK_U64(count->bytes, g_to_host.length);
	CHECK_U64(count->lost_by_gap, 1);
	CHECK_U64(count->synchronised, 1);
	/* The first read's data ended in the gap; its response is lost, and the second data served to find the place. */
	CHECK_U64(count->pdu_bytes[PDU_C2H_DATA], 9 * (24 + 4096));
	CHECK_U64(count->pdus[PDU_CAPSULE_RESP], 9);
	CHECK_U64(count->skipped_bytes, 24 + 24 + 4096);
}

/* The tracer comes when a connection has been running: at every byte of a stream. */
static void
test_joined_at_every_byte(void)
{
	const struct direction_count *count = &g.port.direction[TO_HOST];
	__u32 from, i;

	make_reads(12, 512);
	for (from = 0; from < g_to_host.starts[4]; from++) {
		__u32 found = 0, whole = 0;

		begin_connection(false);
		feed(TO_TARGET, &g_to_target, 0, g_to_target.length);
		feed(TO_HOST, &g_to_host, from, from + 40);
		feed(TO_HOST, &g_to_host, from + 40, g_to_host.length);
		check_sum();
		for (i = 0; i < g_to_host.pdus; i++) {
			whole += g_to_host.starts[i] >= from;
		}
		found = count->pdus[PDU_C2H_DATA] + count->pdus[PDU_CAPSULE_RESP];
		CHECK_U64(count->bytes, g_to_host.length - from);
		CHECK_U64(count->synchronised, 1);
		CHECK_U64(count->lost_by_header, 0);
		/* The first whole PDU serves to find the place; where the first segment's end cuts its header, one more. */
		CHECK(found <= whole - 1 && found + 3 >= whole);
		CHECK_U64(count->skipped_bytes, g_to_host.starts[g_to_host.pdus - found] - from);
	}
}

/* Random bytes are not taken for PDUs, and neither are those that resemble one once. */
static void
test_garbage(void)
{
	const struct direction_count *count = &g.port.direction[TO_HOST];
	__u32 round, i;

	for (round = 0; round < 20; round++) {
		memset(&g_to_host, 0, sizeof(g_to_host));
		g_to_host.length = sizeof(g_to_host.at);
		for (i = 0; i < g_to_host.length; i++) {
			g_to_host.at[i] = (__u8)any(round < 10 ? 256 : 32);
		}
		begin_connection(round % 2 == 0);
		feed_in_pieces(TO_HOST, &g_to_host, 65483);
		check_sum();
		CHECK_U64(count->skipped_bytes, g_to_host.length);
		CHECK_U64(count->synchronised, 0);
		CHECK_U64(count->lost_by_header, round % 2 == 0);
	}
	memset(&g_to_host, 0, sizeof(g_to_host));
	put_response(&g_to_host, 0, 1, 0);
	g_to_host.length = 4096;
	begin_connection(false);
	feed(TO_HOST, &g_to_host, 0, 4096);
	CHECK_U64(count->skipped_bytes, 4096);
	CHECK_U64(count->synchronised, 0);
}

/* A stream breaks in the middle and goes on properly: it is followed again. */
static void
test_damage(void)
{
	const struct direction_count *count = &g.port.direction[TO_HOST];
	unsigned int round, i;

	for (round = 0; round < 20000; round++) {
		make_reads(8, 200 + any(600));
		for (i = 0; i <= any(3); i++) {
			g_to_host.at[any(g_to_host.length)] = (__u8)any(256);
			g_to_target.at[any(g_to_target.length)] ^= (__u8)(1 << any(8));
		}
		begin_connection(any(2));
		feed_in_pieces(TO_TARGET, &g_to_target, 1 + any(300));
		feed_in_pieces(TO_HOST, &g_to_host, 1 + any(3000));
		check_sum();
		CHECK_U64(count->bytes, g_to_host.length);
		CHECK(count->pdus[PDU_CAPSULE_RESP] <= 9);
	}
}

/* The smallest PDUs, as many as fit into the largest packets. */
static void
test_many_small_pdus(void)
{
	static struct bytes commands;
	const struct direction_count *count = &g.port.direction[TO_HOST];
	__u32 i;

	memset(&g_to_host, 0, sizeof(g_to_host));
	for (i = 0; i < 4096; i++) {
		put_response(&g_to_host, 0, (__u16)i, 0);
	}
	begin_connection(true);
	feed(TO_HOST, &g_to_host, 0, g_to_host.length);
	CHECK_U64(count->pdus[PDU_CAPSULE_RESP], 4096);
	CHECK_U64(g.port.unmatched, 4096);
	for (i = 0; i < 1024; i++) {
		put_command(&commands, 0, 0x02, (__u16)(0xa000 + i), 1, 0);
	}
	begin_connection(true);
	feed(TO_TARGET, &commands, 0, commands.length);
	CHECK_U64(operation(QUEUE_UNKNOWN, 0x02, 1)->commands, 1024);
	CHECK_U64(g.port.overwritten, 0);
}

static void
test_latency(void)
{
	struct operation *read;

	make_reads(2, 4096);
	begin_connection(true);
	g.now_ns = 1000000;
	feed(TO_TARGET, &g_to_target, 0, 72);
	g.now_ns = 1003000;
	feed(TO_TARGET, &g_to_target, 72, 144);
	g.now_ns = 1050000;
	feed(TO_HOST, &g_to_host, 0, g_to_host.starts[2]);
	g.now_ns = 1200000;
	feed(TO_HOST, &g_to_host, g_to_host.starts[2], g_to_host.length);
	read = operation(QUEUE_UNKNOWN, 0x02, 1);
	CHECK_U64(read->latency_min_ns, 50000);
	CHECK_U64(read->latency_max_ns, 197000);
	CHECK_U64(read->latency_sum_ns, 247000);
	CHECK_U64(read->latency[latency_bucket(50000)], 1);
	CHECK_U64(read->latency[latency_bucket(197000)], 1);
}

/* With the SUCCESS flag the data are the completion: when the last byte of them has passed. */
static void
test_latency_of_success_flag(void)
{
	memset(&g_to_target, 0, sizeof(g_to_target));
	memset(&g_to_host, 0, sizeof(g_to_host));
	put_command(&g_to_target, 0, 0x02, 5, 1, 0);
	put_data(&g_to_host, PDU_C2H_DATA, PDU_FLAG_LAST | PDU_FLAG_SUCCESS, 5, 4096);
	begin_connection(true);
	feed(TO_TARGET, &g_to_target, 0, 72);
	g.now_ns = 10000;
	feed(TO_HOST, &g_to_host, 0, 2000);
	CHECK_U64(operation(QUEUE_UNKNOWN, 0x02, 1)->completions, 0);
	g.now_ns = 30000;
	feed(TO_HOST, &g_to_host, 2000, g_to_host.length);
	CHECK_U64(operation(QUEUE_UNKNOWN, 0x02, 1)->completions, 1);
	CHECK_U64(operation(QUEUE_UNKNOWN, 0x02, 1)->latency_max_ns, 30000);
}

/* Another connection's command of the same number is not this one's; and one that is overwritten is told. */
static void
test_commands_know_their_connection(void)
{
	make_reads(1, 512);
	begin_connection(true);
	feed(TO_TARGET, &g_to_target, 0, 72);
	g_connection.number += TIMED_CONNECTIONS;
	feed(TO_HOST, &g_to_host, 0, g_to_host.length);
	CHECK_U64(operation(QUEUE_UNKNOWN, 0x02, 1)->completions, 0);
	CHECK_U64(g.port.unmatched, 2);
	memset(&g_to_target, 0, sizeof(g_to_target));
	put_command(&g_to_target, 0, 0x02, 1, 1, 0);
	put_command(&g_to_target, 0, 0x02, 1 + COMMANDS_PER_CONNECTION, 1, 0);
	begin_connection(true);
	feed(TO_TARGET, &g_to_target, 0, g_to_target.length);
	CHECK_U64(g.port.overwritten, 1);
}

static void
test_no_room(void)
{
	make_reads(3, 512);
	begin_connection(true);
	g.operation_room = 0;
	feed(TO_TARGET, &g_to_target, 0, g_to_target.length);
	feed(TO_HOST, &g_to_host, 0, g_to_host.length);
	CHECK_U64(g.port.no_room, 3);
	CHECK_U64(g.port.unmatched, 6);
	CHECK_U64(g.port.direction[TO_TARGET].pdus[PDU_CAPSULE_CMD], 3);
}

/* A stream that another CPU is following is left alone. */
static void
test_contended(void)
{
	make_reads(3, 512);
	begin_connection(true);
	g_connection.stream[TO_HOST].busy = 1;
	feed(TO_HOST, &g_to_host, 0, 600);
	CHECK_U64(g.port.contended, 1);
	CHECK_U64(g.port.direction[TO_HOST].bytes, 0);
	g_connection.stream[TO_HOST].busy = 0;
	feed(TO_HOST, &g_to_host, 600, g_to_host.length);
	CHECK_U64(g.port.direction[TO_HOST].bytes, g_to_host.length);
	CHECK_U64(g.port.direction[TO_HOST].gaps, 1);
	check_sum();
}

int
main(void)
{
	RUN(test_every_cut);
	RUN(test_every_segment_size);
	RUN(test_repeats);
	RUN(test_gap_in_data);
	RUN(test_gap_over_header);
	RUN(test_joined_at_every_byte);
	RUN(test_garbage);
	RUN(test_damage);
	RUN(test_many_small_pdus);
	RUN(test_latency);
	RUN(test_latency_of_success_flag);
	RUN(test_commands_know_their_connection);
	RUN(test_no_room);
	RUN(test_contended);
	return check_done();
}
