/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */

/*
 * The tracer's place on an interface: tc's clsact qdisc and a filter on it. Several tracers may be on one interface,
 * each in a slot of its own, and foreign filters beside them. What a tracer that was killed left behind goes away when
 * the next one comes.
 */

#ifndef NVME_TCP_HOOK_H
#define NVME_TCP_HOOK_H

#include <stdbool.h>
#include <stdint.h>

/* What went wrong: found and do. Who asks knows what was asked. */
struct hook_error {
	char found[256];
	char fix[256];
};

struct hook {
	int ifindex;
	/* Of the loopback interface both directions of a connection go out, so that going in need not be looked at. */
	bool loopback;
	/* Bytes before the IP header. */
	uint32_t link_bytes;
	/* Held while we live: no other tracer takes the slot, and its end is seen however we end. */
	int slot_fd;
	uint32_t handle;
	uint32_t priority;
	bool out;
	bool in;
};

/* Looks at the interface only. */
int hook_find(struct hook *hook, const char *interface, struct hook_error *error);

int hook_attach(struct hook *hook, uint32_t priority, int out_fd, int in_fd, struct hook_error *error);
void hook_detach(struct hook *hook);

#endif /* NVME_TCP_HOOK_H */
