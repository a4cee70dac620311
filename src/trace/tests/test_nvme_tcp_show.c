/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What is shown of the counters: names, latencies, JSON and text. */
#include "test_nvme_tcp.h"

#include "nvme_tcp_show.h"

static struct counted g_counted, g_before;
static char g_text[65536];
static const struct namespaces g_namespaces = { .slm = { 2 }, .compute = { 7, 3 } };

/* The kernel's half puts a latency where this half says it belongs. */
static void
test_buckets_meet(void)
{
	unsigned int bucket, i;

	CHECK_U64(latency_bucket(0), 0);
	CHECK_U64(latency_bucket(1023), 0);
	CHECK_U64(latency_bucket(~0ull), LATENCY_BUCKETS - 1);
	for (bucket = 1; bucket < LATENCY_BUCKETS; bucket++) {
		CHECK_U64(latency_bucket(latency_from_ns(bucket)), bucket);
		CHECK_U64(latency_bucket(latency_from_ns(bucket) - 1), bucket - 1);
	}
	for (i = 0; i < 100000; i++) {
		__u64 value = ((__u64)any(1u << 31) << 31 | any(1u << 31)) >> any(62);

		bucket = latency_bucket(value);
		CHECK(latency_from_ns(bucket) <= value);
		CHECK(bucket == LATENCY_BUCKETS - 1 || value < latency_from_ns(bucket + 1));
	}
}

static void
add_latency(struct operation *counted, __u64 nanoseconds)
{
	counted->latency[latency_bucket(nanoseconds)]++;
	counted->latency_sum_ns += nanoseconds;
	counted->commands++;
	counted->completions++;
	if (counted->latency_min_ns == 0 || nanoseconds < counted->latency_min_ns) {
		counted->latency_min_ns = nanoseconds;
	}
	if (nanoseconds > counted->latency_max_ns) {
		counted->latency_max_ns = nanoseconds;
	}
}

/* A bucket is at most a quarter of its beginning wide: so far off a percentile may be. */
static void
test_percentiles(void)
{
	struct operation counted = { 0 };
	unsigned int i;

	CHECK(latency_percentile(&counted, 0.5) == 0);
	add_latency(&counted, 5000);
	CHECK(latency_percentile(&counted, 0.5) == 5000);
	CHECK(latency_percentile(&counted, 0.999) == 5000);
	memset(&counted, 0, sizeof(counted));
	for (i = 1; i <= 10000; i++) {
		add_latency(&counted, i * 1000ull);
	}
	for (i = 1; i <= 999; i += 2) {
		double exact = i * 10000.0, found = latency_percentile(&counted, i / 1000.0);

		CHECK(found > exact / 1.25 && found < exact * 1.25);
	}
	CHECK(latency_percentile(&counted, 1) == 10000000);
	memset(&counted, 0, sizeof(counted));
	add_latency(&counted, 1ull << 50);
	CHECK(latency_percentile(&counted, 0.5) == (double)(1ull << 50));
}

static const char *
name_of(enum queue queue, __u8 opcode, __u32 nsid)
{
	struct operation_key key = { .queue = queue, .opcode = opcode, .nsid = nsid };
	const char *name = operation_name(&key, &g_namespaces);

	return name != NULL ? name : "";
}

static void
test_names(void)
{
	CHECK_TEXT(name_of(QUEUE_ADMIN, 0x06, 0), "Identify");
	CHECK_TEXT(name_of(QUEUE_ADMIN, 0x85, 0), "Load Program");
	CHECK_TEXT(name_of(QUEUE_ADMIN, 0x88, 0), "Program Activation Management");
	CHECK_TEXT(name_of(QUEUE_ADMIN, 0x89, 0), "Memory Range Set Management");
	CHECK_TEXT(name_of(QUEUE_ADMIN, 0x82, 0), "Security Receive");
	CHECK_TEXT(name_of(QUEUE_IO, 0x01, 1), "Write");
	CHECK_TEXT(name_of(QUEUE_IO, 0x01, 2), "SLM Copy");
	CHECK_TEXT(name_of(QUEUE_IO, 0x05, 2), "SLM Write");
	CHECK_TEXT(name_of(QUEUE_IO, 0x01, 3), "Execute Program");
	CHECK_TEXT(name_of(QUEUE_IO, 0x82, 7), "CSD Scan");
	CHECK_TEXT(name_of(QUEUE_IO, 0x82, 9), "CSD Scan");
	CHECK_TEXT(name_of(QUEUE_IO, 0xc0, 1), "");
	CHECK_TEXT(name_of(QUEUE_FABRICS, 0x01, 0), "Connect");
	/* On a queue that is not known an opcode may be either. */
	CHECK_TEXT(name_of(QUEUE_UNKNOWN, 0x02, 1), "");
	CHECK_TEXT(pdu_name(PDU_R2T), "R2T");
	CHECK(pdu_name(8) == NULL);
}

static void
make_counted(void)
{
	struct operation_row *row = g_counted.operations;

	memset(&g_counted, 0, sizeof(g_counted));
	g_counted.interface = "a\"b";
	g_counted.loopback = true;
	g_counted.seconds = 2;
	g_counted.ports[0] = 4420;
	g_counted.port[0].direction[TO_HOST].bytes = 5000000;
	g_counted.port[0].direction[TO_HOST].pdus[PDU_C2H_DATA] = 2;
	g_counted.port[0].direction[TO_HOST].pdu_bytes[PDU_C2H_DATA] = 4999000;
	g_counted.port[0].direction[TO_HOST].skipped_bytes = 1000;
	g_counted.port[0].direction[TO_TARGET].bytes = 144;
	g_counted.port[0].connections_joined = 1;
	row[0].key = (struct operation_key){ .queue = QUEUE_IO, .opcode = 0x82, .nsid = 3 };
	row[0].place = 2;
	add_latency(&row[0].counted, 2048);
	row[0].counted.commands++;
	row[0].counted.failed = 1;
	row[1].key = (struct operation_key){ .queue = QUEUE_ADMIN, .opcode = 0x0c };
	row[1].place = 1;
	row[1].counted.commands = 4;
	g_counted.operation_rows = 2;
	g_counted.statuses[0] = (struct status_row){ .key = { .operation = 2, .status = 0x198 }, .count = 1 };
	g_counted.status_rows = 1;
	counted_sort(&g_counted);
}

static void
test_json(void)
{
	FILE *out = fmemopen(g_text, sizeof(g_text), "w");

	make_counted();
	show_json(out, "end", &g_counted, &g_namespaces);
	fclose(out);
	CHECK_TEXT(g_text,
		"{\"program\": \"nvme_tcp_trace\", \"event\": \"end\", \"interface\": \"a\\\"b\", \"hooks\": [\"egress\"], "
		"\"seconds\": 2.000000, \"ports\": [{\"port\": 4420, "
		"\"to_target\": {\"bytes\": 144, \"data_bytes\": 0, \"packets\": 0, \"ip_bytes\": 0, \"repeated_bytes\": 0, "
		"\"pdus\": []}, "
		"\"to_host\": {\"bytes\": 5000000, \"data_bytes\": 0, \"packets\": 0, \"ip_bytes\": 0, \"repeated_bytes\": 0, "
		"\"pdus\": [{\"type\": 7, \"name\": \"C2HData\", \"count\": 2, \"bytes\": 4999000}]}, "
		"\"commands\": [{\"queue\": \"admin\", \"opcode\": 12, \"name\": \"Asynchronous Event Request\", \"nsid\": 0, "
		"\"commands\": 4, \"completions\": 0, \"failed\": 0, \"data_bytes_to_target\": 0, \"data_bytes_to_host\": 0, "
		"\"statuses\": [], \"latency_us\": null}, "
		"{\"queue\": \"io\", \"opcode\": 130, \"name\": \"CSD Scan\", \"nsid\": 3, \"commands\": 2, \"completions\": 1, "
		"\"failed\": 1, \"data_bytes_to_target\": 0, \"data_bytes_to_host\": 0, "
		"\"statuses\": [{\"sct\": 1, \"sc\": 152, \"count\": 1}], "
		"\"latency_us\": {\"minimum\": 2.048, \"mean\": 2.048, \"p50\": 2.048, \"p90\": 2.048, \"p99\": 2.048, "
		"\"p99_9\": 2.048, \"maximum\": 2.048, \"histogram\": [{\"from\": 2.048, \"to\": 2.560, \"count\": 1}]}}], "
		"\"connections\": {\"begun\": 0, \"joined_midway\": 1, \"ended\": 0}, "
		"\"not_parsed\": {\"bytes\": 1000, \"gaps\": 0, \"gap_bytes\": 0, \"lost_by_gap\": 0, \"lost_by_header\": 0, "
		"\"synchronised\": 0, \"unmatched\": 0, \"overwritten\": 0, \"no_room\": 0, \"fragments\": 0, \"malformed\": 0, "
		"\"ambiguous\": 0, \"contended\": 0}}]}\n");
}

/* Rates are those between the two moments. */
static void
test_text(void)
{
	FILE *out;

	make_counted();
	g_before = g_counted;
	g_counted.seconds = 4;
	g_counted.port[0].direction[TO_HOST].bytes += 3000000;
	g_counted.operations[1].counted.commands += 10;
	memset(g_text, 0, sizeof(g_text));
	out = fmemopen(g_text, sizeof(g_text), "w");
	show_text(out, &g_before, &g_counted, &g_namespaces);
	fclose(out);
	CHECK(strstr(g_text, "a\"b port 4420, 4 s\n") != NULL);
	CHECK(strstr(g_text, "to host          1.50 MB/s") != NULL);
	CHECK(strstr(g_text, "io       82  CSD Scan                           3          5           12        11        1") != NULL);
	CHECK(strstr(g_text, "failed: CSD Scan with status 01h/98h, 1 times\n") != NULL);
	CHECK(strstr(g_text, "0 begun, 1 joined midway, 0 ended") != NULL);
	CHECK(strstr(g_text, "not parsed: 1000 bytes;") != NULL);
	CHECK(strstr(g_text, "not matched") == NULL);
}

int
main(void)
{
	RUN(test_buckets_meet);
	RUN(test_percentiles);
	RUN(test_names);
	RUN(test_json);
	RUN(test_text);
	return check_done();
}
