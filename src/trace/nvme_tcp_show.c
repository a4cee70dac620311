/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "nvme_tcp_show.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_US 1000.0
#define MEGABYTE 1e6

static const char *const queue_names[] = { "unknown", "admin", "io", "fabrics" };
static const char *const direction_names[] = { "to_target", "to_host" };

struct name {
	__u8 code;
	const char *name;
};

static const struct name admin_names[] = {
	{ 0x00, "Delete I/O Submission Queue" }, { 0x01, "Create I/O Submission Queue" }, { 0x02, "Get Log Page" },
	{ 0x04, "Delete I/O Completion Queue" }, { 0x05, "Create I/O Completion Queue" }, { 0x06, "Identify" },
	{ 0x08, "Abort" }, { 0x09, "Set Features" }, { 0x0a, "Get Features" }, { 0x0c, "Asynchronous Event Request" },
	{ 0x0d, "Namespace Management" }, { 0x10, "Firmware Commit" }, { 0x11, "Firmware Image Download" },
	{ 0x14, "Device Self-test" }, { 0x15, "Namespace Attachment" }, { 0x18, "Keep Alive" },
	{ 0x19, "Directive Send" }, { 0x1a, "Directive Receive" }, { 0x1d, "NVMe-MI Send" }, { 0x1e, "NVMe-MI Receive" },
	{ 0x20, "Capacity Management" }, { 0x24, "Lockdown" }, { 0x80, "Format NVM" }, { 0x81, "Security Send" },
	{ 0x82, "Security Receive" }, { 0x84, "Sanitize" }, { 0x85, "Load Program" }, { 0x86, "Get LBA Status" },
	{ 0x88, "Program Activation Management" }, { 0x89, "Memory Range Set Management" },
};

static const struct name nvm_names[] = {
	{ 0x00, "Flush" }, { 0x01, "Write" }, { 0x02, "Read" }, { 0x04, "Write Uncorrectable" }, { 0x05, "Compare" },
	{ 0x08, "Write Zeroes" }, { 0x09, "Dataset Management" }, { 0x0c, "Verify" }, { 0x0d, "Reservation Register" },
	{ 0x0e, "Reservation Report" }, { 0x11, "Reservation Acquire" }, { 0x12, "I/O Management Receive" },
	{ 0x15, "Reservation Release" }, { 0x18, "Cancel" }, { 0x19, "Copy" }, { 0x1d, "I/O Management Send" },
	/* Vendor specific: of a compute namespace of this project, which is not told of. */
	{ 0x82, "CSD Scan" },
};

static const struct name slm_names[] = {
	{ 0x00, "Flush" }, { 0x01, "SLM Copy" }, { 0x02, "SLM Read" }, { 0x04, "SLM Fill" }, { 0x05, "SLM Write" },
};

static const struct name compute_names[] = { { 0x01, "Execute Program" }, { 0x82, "CSD Scan" } };

static const struct name fabrics_names[] = {
	{ 0x00, "Property Set" }, { 0x01, "Connect" }, { 0x04, "Property Get" }, { 0x05, "Authentication Send" },
	{ 0x06, "Authentication Receive" }, { 0x08, "Disconnect" },
};

static const struct name pdu_names[] = {
	{ PDU_IC_REQ, "ICReq" }, { PDU_IC_RESP, "ICResp" }, { PDU_H2C_TERM_REQ, "H2CTermReq" },
	{ PDU_C2H_TERM_REQ, "C2HTermReq" }, { PDU_CAPSULE_CMD, "CapsuleCmd" }, { PDU_CAPSULE_RESP, "CapsuleResp" },
	{ PDU_H2C_DATA, "H2CData" }, { PDU_C2H_DATA, "C2HData" }, { PDU_R2T, "R2T" },
};

#define FIND(names, code) show_find_name(names, sizeof(names) / sizeof((names)[0]), code)

static const char *
show_find_name(const struct name *names, size_t count, unsigned int code)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (names[i].code == code) {
			return names[i].name;
		}
	}
	return NULL;
}

static bool
show_is_among(const __u32 *list, size_t count, __u32 nsid)
{
	size_t i;

	for (i = 0; i < count && list[i] != 0; i++) {
		if (list[i] == nsid) {
			return true;
		}
	}
	return false;
}

const char *
pdu_name(unsigned int type)
{
	return FIND(pdu_names, type);
}

const char *
operation_name(const struct operation_key *key, const struct namespaces *namespaces)
{
	if (key->queue == QUEUE_FABRICS) {
		return FIND(fabrics_names, key->opcode);
	}
	if (key->queue == QUEUE_ADMIN) {
		return FIND(admin_names, key->opcode);
	}
	if (key->queue == QUEUE_UNKNOWN) {
		return NULL;
	}
	if (show_is_among(namespaces->slm, 16, key->nsid)) {
		return FIND(slm_names, key->opcode);
	}
	if (show_is_among(namespaces->compute, 16, key->nsid)) {
		return FIND(compute_names, key->opcode);
	}
	return FIND(nvm_names, key->opcode);
}

__u64
latency_from_ns(unsigned int bucket)
{
	unsigned int step = bucket - 1;

	return bucket == 0 ? 0 : (__u64)(4 + step % 4) << (step / 4 + LATENCY_SHIFT - 2);
}

/* The last bucket ends with the slowest command. */
static double
show_latency_to_ns(const struct operation *operation, unsigned int bucket)
{
	double slowest = (double)operation->latency_max_ns;

	if (bucket + 1 < LATENCY_BUCKETS) {
		return (double)latency_from_ns(bucket + 1);
	}
	return slowest > (double)latency_from_ns(bucket) ? slowest : (double)latency_from_ns(bucket);
}

static double
show_between(double least, double value, double most)
{
	return value < least ? least : value > most ? most : value;
}

double
latency_percentile(const struct operation *operation, double share)
{
	__u64 all = 0, passed = 0;
	unsigned int i;
	double wanted;

	for (i = 0; i < LATENCY_BUCKETS; i++) {
		all += operation->latency[i];
	}
	wanted = share * (double)all;
	for (i = 0; i < LATENCY_BUCKETS; i++) {
		double from = (double)latency_from_ns(i), here = (double)operation->latency[i];

		if (here > 0 && (double)passed + here >= wanted) {
			double inside = (show_latency_to_ns(operation, i) - from) * (wanted - (double)passed) / here;

			return show_between((double)operation->latency_min_ns, from + inside,
					    (double)operation->latency_max_ns);
		}
		passed += operation->latency[i];
	}
	return 0;
}

static int
show_compare_operations(const void *left, const void *right)
{
	const struct operation_key *a = &((const struct operation_row *)left)->key;
	const struct operation_key *b = &((const struct operation_row *)right)->key;

	if (a->port != b->port) {
		return a->port < b->port ? -1 : 1;
	}
	if (a->queue != b->queue) {
		return a->queue < b->queue ? -1 : 1;
	}
	if (a->opcode != b->opcode) {
		return a->opcode < b->opcode ? -1 : 1;
	}
	return a->nsid == b->nsid ? 0 : a->nsid < b->nsid ? -1 : 1;
}

static int
show_compare_statuses(const void *left, const void *right)
{
	const struct status_key *a = &((const struct status_row *)left)->key;
	const struct status_key *b = &((const struct status_row *)right)->key;

	return (a->operation << 16 | a->status) - (b->operation << 16 | b->status);
}

void
counted_sort(struct counted *counted)
{
	qsort(counted->operations, counted->operation_rows, sizeof(counted->operations[0]), show_compare_operations);
	qsort(counted->statuses, counted->status_rows, sizeof(counted->statuses[0]), show_compare_statuses);
}

/* --- For programs --- */

static void
show_json_string(FILE *out, const char *text)
{
	const unsigned char *c;

	fputc('"', out);
	for (c = (const unsigned char *)text; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\') {
			fprintf(out, "\\%c", *c);
		} else if (*c < 0x20 || *c > 0x7e) {
			fprintf(out, "\\u%04x", *c);
		} else {
			fputc(*c, out);
		}
	}
	fputc('"', out);
}

static void
show_json_name(FILE *out, const char *name)
{
	fputs("\"name\": ", out);
	if (name != NULL) {
		show_json_string(out, name);
	} else {
		fputs("null", out);
	}
}

static void
show_json_direction(FILE *out, const char *name, const struct direction_count *count)
{
	const char *comma = "";
	unsigned int type;

	fprintf(out, "\"%s\": {\"bytes\": %llu, \"data_bytes\": %llu, \"packets\": %llu, \"ip_bytes\": %llu, "
		"\"repeated_bytes\": %llu, \"pdus\": [", name, count->bytes, count->data_bytes, count->packets,
		count->ip_bytes, count->repeated_bytes);
	for (type = 0; type < PDU_TYPES; type++) {
		if (count->pdus[type] == 0 && count->pdu_bytes[type] == 0) {
			continue;
		}
		fprintf(out, "%s{\"type\": %u, ", comma, type);
		show_json_name(out, pdu_name(type));
		fprintf(out, ", \"count\": %llu, \"bytes\": %llu}", count->pdus[type], count->pdu_bytes[type]);
		comma = ", ";
	}
	fputs("]}, ", out);
}

static void
show_json_latency(FILE *out, const struct operation *operation)
{
	const char *comma = "";
	unsigned int i;

	if (operation->completions == 0) {
		fputs("\"latency_us\": null", out);
		return;
	}
	fprintf(out, "\"latency_us\": {\"minimum\": %.3f, \"mean\": %.3f, \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, "
		"\"p99_9\": %.3f, \"maximum\": %.3f, \"histogram\": [", (double)operation->latency_min_ns / NS_PER_US,
		(double)operation->latency_sum_ns / (double)operation->completions / NS_PER_US,
		latency_percentile(operation, 0.5) / NS_PER_US, latency_percentile(operation, 0.9) / NS_PER_US,
		latency_percentile(operation, 0.99) / NS_PER_US, latency_percentile(operation, 0.999) / NS_PER_US,
		(double)operation->latency_max_ns / NS_PER_US);
	for (i = 0; i < LATENCY_BUCKETS; i++) {
		if (operation->latency[i] == 0) {
			continue;
		}
		fprintf(out, "%s{\"from\": %.3f, \"to\": %.3f, \"count\": %llu}", comma,
			(double)latency_from_ns(i) / NS_PER_US, show_latency_to_ns(operation, i) / NS_PER_US,
			operation->latency[i]);
		comma = ", ";
	}
	fputs("]}", out);
}

static void
show_json_statuses(FILE *out, const struct counted *counted, __u32 place)
{
	const char *comma = "";
	unsigned int i;

	fputs("\"statuses\": [", out);
	for (i = 0; i < counted->status_rows; i++) {
		const struct status_row *row = &counted->statuses[i];

		if (row->key.operation == place) {
			fprintf(out, "%s{\"sct\": %u, \"sc\": %u, \"count\": %llu}", comma, row->key.status >> 8,
				row->key.status & 0xff, row->count);
			comma = ", ";
		}
	}
	fputs("], ", out);
}

static void
show_json_commands(FILE *out, const struct counted *counted, unsigned int port, const struct namespaces *namespaces)
{
	const char *comma = "";
	unsigned int i;

	fputs("\"commands\": [", out);
	for (i = 0; i < counted->operation_rows; i++) {
		const struct operation_row *row = &counted->operations[i];
		const struct operation *operation = &row->counted;

		if (row->key.port != port) {
			continue;
		}
		fprintf(out, "%s{\"queue\": \"%s\", \"%s\": %u, ", comma, queue_names[row->key.queue & 3],
			row->key.queue == QUEUE_FABRICS ? "fctype" : "opcode", row->key.opcode);
		show_json_name(out, operation_name(&row->key, namespaces));
		fprintf(out, ", \"nsid\": %u, \"commands\": %llu, \"completions\": %llu, \"failed\": %llu, "
			"\"data_bytes_to_target\": %llu, \"data_bytes_to_host\": %llu, ", row->key.nsid,
			operation->commands, operation->completions, operation->failed,
			operation->data_bytes[TO_TARGET], operation->data_bytes[TO_HOST]);
		show_json_statuses(out, counted, row->place);
		show_json_latency(out, operation);
		fputs("}", out);
		comma = ", ";
	}
	fputs("], ", out);
}

static __u64
show_both(const struct port_count *port, size_t offset)
{
	return *(const __u64 *)((const char *)&port->direction[TO_TARGET] + offset) +
	       *(const __u64 *)((const char *)&port->direction[TO_HOST] + offset);
}

#define BOTH(port, field) show_both(port, offsetof(struct direction_count, field))

static void
show_json_port(FILE *out, const struct counted *counted, unsigned int index, const struct namespaces *namespaces)
{
	const struct port_count *port = &counted->port[index];
	unsigned int direction;

	fprintf(out, "{\"port\": %u, ", counted->ports[index]);
	for (direction = 0; direction < DIRECTIONS; direction++) {
		show_json_direction(out, direction_names[direction], &port->direction[direction]);
	}
	show_json_commands(out, counted, index, namespaces);
	fprintf(out, "\"connections\": {\"begun\": %llu, \"joined_midway\": %llu, \"ended\": %llu}, ",
		port->connections_begun, port->connections_joined, port->connections_ended);
	fprintf(out, "\"not_parsed\": {\"bytes\": %llu, \"gaps\": %llu, \"gap_bytes\": %llu, \"lost_by_gap\": %llu, "
		"\"lost_by_header\": %llu, \"synchronised\": %llu, \"unmatched\": %llu, \"overwritten\": %llu, "
		"\"no_room\": %llu, \"fragments\": %llu, \"malformed\": %llu, \"ambiguous\": %llu, \"contended\": %llu}}",
		BOTH(port, skipped_bytes), BOTH(port, gaps), BOTH(port, unseen_bytes), BOTH(port, lost_by_gap),
		BOTH(port, lost_by_header), BOTH(port, synchronised), port->unmatched, port->overwritten, port->no_room,
		port->fragments, port->malformed, port->ambiguous, port->contended);
}

void
show_json(FILE *out, const char *event, const struct counted *counted, const struct namespaces *namespaces)
{
	unsigned int i;

	fprintf(out, "{\"program\": \"nvme_tcp_trace\", \"event\": \"%s\", \"interface\": ", event);
	show_json_string(out, counted->interface);
	fprintf(out, ", \"hooks\": [%s], \"seconds\": %.6f, \"ports\": [",
		counted->loopback ? "\"egress\"" : "\"egress\", \"ingress\"", counted->seconds);
	for (i = 0; i < MAX_PORTS && counted->ports[i] != 0; i++) {
		fputs(i > 0 ? ", " : "", out);
		show_json_port(out, counted, i, namespaces);
	}
	fputs("]}\n", out);
	fflush(out);
}

/* --- For people --- */

static void
show_text_direction(FILE *out, const char *name, const struct direction_count *before,
		    const struct direction_count *now, double seconds)
{
	const char *comma = "  ";
	unsigned int type;

	fprintf(out, "  %-10s %10.2f MB/s %10.0f packets/s  %14llu bytes", name,
		(double)(now->bytes - before->bytes) / seconds / MEGABYTE,
		(double)(now->packets - before->packets) / seconds, now->bytes);
	for (type = 0; type < PDU_TYPES; type++) {
		if (now->pdus[type] != 0 && pdu_name(type) != NULL) {
			fprintf(out, "%s%s %llu", comma, pdu_name(type), now->pdus[type]);
			comma = ", ";
		}
	}
	fputc('\n', out);
}

static const struct operation *
show_find_operation(const struct counted *counted, __u32 place)
{
	static const struct operation none;
	unsigned int i;

	for (i = 0; counted != NULL && i < counted->operation_rows; i++) {
		if (counted->operations[i].place == place) {
			return &counted->operations[i].counted;
		}
	}
	return &none;
}

/* The commands of the time between the two; of all the time, where there were none. */
static struct operation
show_recent(const struct operation *before, const struct operation *now)
{
	struct operation difference = *now;
	unsigned int i;

	if (now->completions > before->completions) {
		for (i = 0; i < LATENCY_BUCKETS; i++) {
			difference.latency[i] -= before->latency[i];
		}
	}
	return difference;
}

static void
show_text_commands(FILE *out, const struct counted *before, const struct counted *now, unsigned int port,
		   const struct namespaces *namespaces, double seconds)
{
	bool head = false;
	unsigned int i;

	for (i = 0; i < now->operation_rows; i++) {
		const struct operation_row *row = &now->operations[i];
		const struct operation *then = show_find_operation(before, row->place);
		struct operation latest = show_recent(then, &row->counted);
		const char *name = operation_name(&row->key, namespaces);

		if (row->key.port != port) {
			continue;
		}
		if (!head) {
			fprintf(out, "  %-8s %-3s %-30s %5s %10s %12s %9s %8s %9s %9s %9s\n", "QUEUE", "OP", "COMMAND", "NSID",
				"PER SECOND", "COMMANDS", "ON WAY", "FAILED", "P50 us", "P99 us", "P99.9 us");
			head = true;
		}
		fprintf(out, "  %-8s %02x  %-30s ", queue_names[row->key.queue & 3], row->key.opcode,
			name != NULL ? name : "?");
		if (row->key.queue == QUEUE_IO || row->key.queue == QUEUE_UNKNOWN) {
			fprintf(out, "%5u", row->key.nsid);
		} else {
			fprintf(out, "%5s", "-");
		}
		fprintf(out, " %10.0f %12llu %9lld %8llu", (double)(row->counted.commands - then->commands) / seconds,
			row->counted.commands, (long long)(row->counted.commands - row->counted.completions),
			row->counted.failed);
		if (row->counted.completions > 0) {
			fprintf(out, " %9.1f %9.1f %9.1f\n", latency_percentile(&latest, 0.5) / NS_PER_US,
				latency_percentile(&latest, 0.99) / NS_PER_US,
				latency_percentile(&latest, 0.999) / NS_PER_US);
		} else {
			fprintf(out, " %9s %9s %9s\n", "-", "-", "-");
		}
	}
}

static void
show_text_statuses(FILE *out, const struct counted *now, unsigned int port, const struct namespaces *namespaces)
{
	unsigned int i, j;

	for (i = 0; i < now->status_rows; i++) {
		for (j = 0; j < now->operation_rows; j++) {
			const struct operation_row *row = &now->operations[j];
			const char *name = operation_name(&row->key, namespaces);

			if (row->place == now->statuses[i].key.operation && row->key.port == port) {
				fprintf(out, "  failed: %s with status %02Xh/%02Xh, %llu times\n",
					name != NULL ? name : "?", now->statuses[i].key.status >> 8 & 0x7,
					now->statuses[i].key.status & 0xff, now->statuses[i].count);
			}
		}
	}
}

static void
show_text_not_parsed(FILE *out, const struct port_count *port)
{
	fprintf(out, "  connections: %llu begun, %llu joined midway, %llu ended", port->connections_begun,
		port->connections_joined, port->connections_ended);
	fprintf(out, "; repeated bytes: %llu\n", BOTH(port, repeated_bytes));
	fprintf(out, "  not parsed: %llu bytes; %llu gaps of %llu bytes, %llu of them lost the place; %llu lost it by a header; "
		"found it again %llu times\n", BOTH(port, skipped_bytes), BOTH(port, gaps), BOTH(port, unseen_bytes),
		BOTH(port, lost_by_gap), BOTH(port, lost_by_header), BOTH(port, synchronised));
	if (port->unmatched + port->overwritten + port->no_room + port->fragments + port->malformed + port->ambiguous +
	    port->contended != 0) {
		fprintf(out, "  not matched: %llu completions or data without their command; %llu commands overwritten; "
			"%llu without room; packets: %llu fragments, %llu malformed, %llu ambiguous, %llu contended\n",
			port->unmatched, port->overwritten, port->no_room, port->fragments, port->malformed, port->ambiguous,
			port->contended);
	}
}

void
show_text(FILE *out, const struct counted *before, const struct counted *now, const struct namespaces *namespaces)
{
	static const struct port_count nothing;
	double seconds = now->seconds - (before != NULL ? before->seconds : 0);
	unsigned int i, direction;

	seconds = seconds > 0 ? seconds : 1;
	for (i = 0; i < MAX_PORTS && now->ports[i] != 0; i++) {
		const struct port_count *then = before != NULL ? &before->port[i] : &nothing;

		fprintf(out, "%s port %u, %.0f s\n", now->interface, now->ports[i], now->seconds);
		for (direction = 0; direction < DIRECTIONS; direction++) {
			show_text_direction(out, direction == TO_TARGET ? "to target" : "to host",
					    &then->direction[direction], &now->port[i].direction[direction], seconds);
		}
		show_text_commands(out, before, now, i, namespaces, seconds);
		show_text_statuses(out, now, i, namespaces);
		show_text_not_parsed(out, &now->port[i]);
	}
	fflush(out);
}
