/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */

/* What nvme_tcp_trace has counted, for people and for programs. */

#ifndef NVME_TCP_SHOW_H
#define NVME_TCP_SHOW_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>

#include "nvme_tcp_trace.h"

struct operation_row {
	struct operation_key key;
	__u32 place;
	struct operation counted;
};

struct status_row {
	struct status_key key;
	__u64 count;
};

/* What namespaces are for, as the user says: the same opcode means another thing there. */
struct namespaces {
	__u32 slm[16];
	__u32 compute[16];
};

/* All counters at one moment. */
struct counted {
	const char *interface;
	bool loopback;
	/* Since counting began. */
	double seconds;
	__u16 ports[MAX_PORTS];
	struct port_count port[MAX_PORTS];
	struct operation_row operations[MAX_OPERATIONS];
	unsigned int operation_rows;
	struct status_row statuses[MAX_STATUSES];
	unsigned int status_rows;
};

/* Puts the rows in order: by port, queue, opcode, namespace. */
void counted_sort(struct counted *counted);

/* One line. `event` says on what occasion: "ready", "snapshot", "end". */
void show_json(FILE *out, const char *event, const struct counted *counted, const struct namespaces *namespaces);

/* What happened between the two; `before` may be NULL: since counting began. */
void show_text(FILE *out, const struct counted *before, const struct counted *now, const struct namespaces *namespaces);

/* "Read"; NULL: not known. */
const char *operation_name(const struct operation_key *key, const struct namespaces *namespaces);
const char *pdu_name(unsigned int type);

/* The latency below which this share of the commands lies, in nanoseconds, interpolated in its bucket. */
double latency_percentile(const struct operation *operation, double share);
/* Where a bucket begins, in nanoseconds. It ends where the next one begins. */
__u64 latency_from_ns(unsigned int bucket);

#endif /* NVME_TCP_SHOW_H */
