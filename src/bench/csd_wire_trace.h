/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * nvme_tcp_trace as a child: it counts on the interface, and tells its counters whenever it is asked. In between it
 * sleeps, so that it does not disturb what is being timed.
 */
#ifndef CSD_WIRE_TRACE_H
#define CSD_WIRE_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct csd_wire_trace {
	pid_t pid;			/* 0: it does not run */
	FILE *ask;
	FILE *answer;
	char why[512];			/* where it does not run: why not */
};

struct csd_wire_traced {
	uint64_t to_host;
	uint64_t to_target;
	uint64_t not_parsed;		/* bytes of both directions that are in these counts, but in no PDU's */
};

/* Starts it and waits until it counts. False: `why` says why not. */
bool csd_wire_trace_start(struct csd_wire_trace *trace, const char *program, const char *interface,
			  const char *address, const char *port);

/* The counters now. False: it has ended, and `why` says so. */
bool csd_wire_trace_read(struct csd_wire_trace *trace, struct csd_wire_traced *traced);

/* Lets it end, and waits for that. */
void csd_wire_trace_stop(struct csd_wire_trace *trace);

#endif
