/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "nvme_tcp_hook.h"

#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#define ETHERNET_BYTES 14
#define SLOTS 16
/* A filter's handle tells that it is ours, its slot, and whether the qdisc came with a tracer. */
#define HANDLE_OURS 0x4e540000u
#define HANDLE_QDISC 0x0100u
#define HANDLE_SLOT 0x00ffu
#define NAME_PREFIX "nvme_tcp_"
#define MAX_FILTERS 256

struct filter {
	uint32_t handle;
	uint32_t priority;
	bool ours;
};

/* What hangs on one side of the qdisc. */
struct filters {
	struct filter at[MAX_FILTERS];
	unsigned int count;
};

static const enum bpf_tc_attach_point sides[] = { BPF_TC_EGRESS, BPF_TC_INGRESS };

static int __attribute__((format(printf, 4, 5)))
hook_fails(struct hook_error *error, int rc, const char *fix, const char *found, ...)
{
	va_list arguments;

	va_start(arguments, found);
	vsnprintf(error->found, sizeof(error->found), found, arguments);
	va_end(arguments);
	snprintf(error->fix, sizeof(error->fix), "%s", fix);
	return rc;
}

static void
hook_list_interfaces(char *text, size_t room)
{
	struct if_nameindex *all = if_nameindex(), *one;
	size_t used = 0;

	text[0] = '\0';
	for (one = all; one != NULL && one->if_index != 0 && used < room; one++) {
		used += snprintf(text + used, room - used, "%s%s", one == all ? "" : ", ", one->if_name);
	}
	if (all != NULL) {
		if_freenameindex(all);
	}
}

int
hook_find(struct hook *hook, const char *interface, struct hook_error *error)
{
	struct ifreq request = { 0 };
	char there[200];
	int fd, rc;

	memset(hook, 0, sizeof(*hook));
	hook->slot_fd = -1;
	hook->ifindex = strlen(interface) < IFNAMSIZ ? if_nametoindex(interface) : 0;
	if (hook->ifindex == 0) {
		hook_list_interfaces(there, sizeof(there));
		return hook_fails(error, -ENODEV, "name one that is there, as 'ip link' shows it",
				  "no such interface; there are: %s", there);
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	rc = fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) != 0 ? -errno : 0;
	if (fd >= 0) {
		close(fd);
	}
	if (rc != 0) {
		return hook_fails(error, rc, "look at it with 'ip link show'", "its type cannot be read: %s",
				  strerror(-rc));
	}
	switch (request.ifr_hwaddr.sa_family) {
	case ARPHRD_LOOPBACK:
		hook->loopback = true;
		hook->link_bytes = ETHERNET_BYTES;
		return 0;
	case ARPHRD_ETHER:
		hook->link_bytes = ETHERNET_BYTES;
		return 0;
	case ARPHRD_NONE:
	case ARPHRD_RAWIP:
	case ARPHRD_PPP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
		return 0;
	default:
		return hook_fails(error, -EPROTONOSUPPORT,
				  "trace on an Ethernet or IP interface, such as the one underneath",
				  "its link type is %u, whose headers are not known", request.ifr_hwaddr.sa_family);
	}
}

/* --- What is there already --- */

static void
hook_read_filter(const struct nlmsghdr *header, void *argument)
{
	struct filters *filters = argument;
	const struct tcmsg *message = NLMSG_DATA(header);
	struct filter filter = { .handle = message->tcm_handle, .priority = message->tcm_info >> 16 };
	struct rtattr *attribute = (struct rtattr *)(message + 1), *inner;
	int left = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof(*message))), inner_left;

	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type != TCA_OPTIONS) {
			continue;
		}
		inner = RTA_DATA(attribute);
		inner_left = RTA_PAYLOAD(attribute);
		for (; RTA_OK(inner, inner_left); inner = RTA_NEXT(inner, inner_left)) {
			if (inner->rta_type == TCA_BPF_NAME) {
				filter.ours = (filter.handle & 0xffff0000u) == HANDLE_OURS &&
					      strncmp(RTA_DATA(inner), NAME_PREFIX, strlen(NAME_PREFIX)) == 0;
			}
		}
	}
	if (filters->count < MAX_FILTERS) {
		filters->at[filters->count++] = filter;
	}
}

/* Asks rtnetlink for a list, and hands each message of the answer on. */
static int
hook_dump(int type, int ifindex, uint32_t parent, void (*on_message)(const struct nlmsghdr *header, void *argument),
	  void *argument)
{
	struct {
		struct nlmsghdr header;
		struct tcmsg body;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = (uint16_t)type,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.body = { .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex, .tcm_parent = parent },
	};
	static uint8_t answer[65536] __attribute__((aligned(8)));
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	bool more = fd >= 0 && send(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request);
	int rc = more ? 0 : -errno;

	while (more) {
		ssize_t got = recv(fd, answer, sizeof(answer), 0);
		unsigned int left = got > 0 ? (unsigned int)got : 0;
		struct nlmsghdr *header = (struct nlmsghdr *)answer;

		more = left > 0;
		for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
			if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
				more = false;
				break;
			}
			on_message(header, argument);
		}
	}
	if (fd >= 0) {
		close(fd);
	}
	return rc;
}

static int
hook_list_filters(int ifindex, enum bpf_tc_attach_point side, struct filters *filters)
{
	uint32_t minor = side == BPF_TC_EGRESS ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS;

	filters->count = 0;
	return hook_dump(RTM_GETTFILTER, ifindex, TC_H_MAKE(TC_H_CLSACT, minor), hook_read_filter, filters);
}

struct qdisc {
	int ifindex;
	char kind[16];
};

/* The old ingress qdisc holds the same place as clsact, and takes filters for going out as if they were for coming in. */
static void
hook_read_qdisc(const struct nlmsghdr *header, void *argument)
{
	const struct tcmsg *message = NLMSG_DATA(header);
	struct rtattr *attribute = (struct rtattr *)(message + 1);
	int left = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof(*message)));
	struct qdisc *qdisc = argument;

	/* The kernel lists those of all interfaces. */
	if (message->tcm_ifindex != qdisc->ifindex || message->tcm_parent != TC_H_CLSACT) {
		return;
	}
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type == TCA_KIND) {
			snprintf(qdisc->kind, sizeof(qdisc->kind), "%s", (const char *)RTA_DATA(attribute));
		}
	}
}

/* --- Slots --- */

/*
 * A name that belongs to whoever bound it, in the network namespace in which the interface lies, until its process ends
 * in whatever way. -1: taken.
 */
static int
hook_take_slot(int ifindex, uint32_t slot)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int length;

	/* A name that begins with a zero is in no file system. */
	length = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "nvme_tcp_trace/%d/%u", ifindex, slot);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&name,
			    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* libbpf wants the bytes behind the last field to be zero too, which no initialiser promises. */
static void
hook_tc_hook(const struct hook *hook, enum bpf_tc_attach_point side, struct bpf_tc_hook *tc)
{
	memset(tc, 0, sizeof(*tc));
	tc->sz = sizeof(*tc);
	tc->ifindex = hook->ifindex;
	tc->attach_point = side;
}

static void
hook_remove_filter(const struct hook *hook, enum bpf_tc_attach_point side, const struct filter *filter)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = filter->handle, .priority = filter->priority);
	struct bpf_tc_hook tc;

	hook_tc_hook(hook, side, &tc);
	bpf_tc_detach(&tc, &options);
}

/* Takes away the filters of tracers that live no more. True: the qdisc came with a tracer, and goes with the last one. */
static bool
hook_sweep(const struct hook *hook)
{
	static struct filters filters;
	bool qdisc_is_ours = false;
	unsigned int side, i;

	for (side = 0; side < 2; side++) {
		if (hook_list_filters(hook->ifindex, sides[side], &filters) != 0) {
			continue;
		}
		for (i = 0; i < filters.count; i++) {
			int fd;

			if (!filters.at[i].ours) {
				continue;
			}
			qdisc_is_ours |= (filters.at[i].handle & HANDLE_QDISC) != 0;
			fd = hook_take_slot(hook->ifindex, filters.at[i].handle & HANDLE_SLOT);
			if (fd >= 0) {
				hook_remove_filter(hook, sides[side], &filters.at[i]);
				close(fd);
			}
		}
	}
	return qdisc_is_ours;
}

static bool
hook_is_empty(const struct hook *hook)
{
	static struct filters filters;
	unsigned int side;

	for (side = 0; side < 2; side++) {
		if (hook_list_filters(hook->ifindex, sides[side], &filters) != 0 || filters.count > 0) {
			return false;
		}
	}
	return true;
}

/* --- Coming and going --- */

static int
hook_attach_filter(const struct hook *hook, enum bpf_tc_attach_point side, int program, struct hook_error *error)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program, .handle = hook->handle, .priority = hook->priority);
	struct bpf_tc_hook tc;
	int rc;

	hook_tc_hook(hook, side, &tc);
	rc = bpf_tc_attach(&tc, &options);
	if (rc == -ENOENT || rc == -EOPNOTSUPP) {
		return hook_fails(error, rc, "modprobe cls_bpf, or run a kernel with CONFIG_NET_CLS_BPF",
				  "the kernel attaches no eBPF program to tc: %s", strerror(-rc));
	}
	if (rc != 0) {
		return hook_fails(error, rc,
				  "look at 'tc filter show dev IF egress' (and ingress): a foreign filter of another kind may "
				  "hold this priority; give another one with --priority",
				  "the kernel does not attach the program with priority %u: %s", hook->priority,
				  strerror(-rc));
	}
	return 0;
}

static int
hook_make_qdisc(const struct hook *hook, bool *made, struct hook_error *error)
{
	struct qdisc there = { .ifindex = hook->ifindex };
	struct bpf_tc_hook tc;
	int rc;

	hook_tc_hook(hook, BPF_TC_INGRESS | BPF_TC_EGRESS, &tc);
	rc = bpf_tc_hook_create(&tc);
	*made = rc == 0;
	if (rc == -EEXIST) {
		hook_dump(RTM_GETQDISC, hook->ifindex, 0, hook_read_qdisc, &there);
		if (strcmp(there.kind, "clsact") == 0) {
			return 0;
		}
		return hook_fails(error, rc, "remove it, if nobody needs it: tc qdisc del dev IF ingress",
				  "an %s qdisc stands where the clsact qdisc would be", there.kind);
	}
	if (rc == 0) {
		return 0;
	}
	if (rc == -EPERM) {
		return hook_fails(error, rc, "run as root", "no right to change this interface: %s", strerror(-rc));
	}
	return hook_fails(error, rc, "modprobe sch_ingress, or run a kernel with CONFIG_NET_SCH_INGRESS",
			  "the kernel makes no clsact qdisc here: %s", strerror(-rc));
}

int
hook_attach(struct hook *hook, uint32_t priority, int out_fd, int in_fd, struct hook_error *error)
{
	bool made, qdisc_is_ours = hook_sweep(hook);
	uint32_t slot;
	int rc;

	for (slot = 1; slot <= SLOTS && hook->slot_fd < 0; slot++) {
		hook->slot_fd = hook_take_slot(hook->ifindex, slot);
		hook->handle = HANDLE_OURS | slot;
	}
	if (hook->slot_fd < 0) {
		return hook_fails(error, -EBUSY, "end one of them", "%d tracers run on this interface", SLOTS);
	}
	rc = hook_make_qdisc(hook, &made, error);
	if (rc != 0) {
		return rc;
	}
	if (made || qdisc_is_ours) {
		hook->handle |= HANDLE_QDISC;
	}
	hook->priority = priority;
	rc = hook_attach_filter(hook, BPF_TC_EGRESS, out_fd, error);
	hook->out = rc == 0;
	if (rc == 0 && !hook->loopback) {
		rc = hook_attach_filter(hook, BPF_TC_INGRESS, in_fd, error);
		hook->in = rc == 0;
	}
	if (rc != 0) {
		hook_detach(hook);
	}
	return rc;
}

void
hook_detach(struct hook *hook)
{
	struct filter filter = { .handle = hook->handle, .priority = hook->priority };
	struct bpf_tc_hook both;

	hook_tc_hook(hook, BPF_TC_INGRESS | BPF_TC_EGRESS, &both);
	if (hook->out) {
		hook_remove_filter(hook, BPF_TC_EGRESS, &filter);
	}
	if (hook->in) {
		hook_remove_filter(hook, BPF_TC_INGRESS, &filter);
	}
	/* The last of ours takes the qdisc along, where one of ours brought it and nobody else has moved in. */
	if (hook->handle & HANDLE_QDISC) {
		hook_sweep(hook);
		if (hook_is_empty(hook)) {
			bpf_tc_hook_destroy(&both);
		}
	}
	hook->out = hook->in = false;
	hook->handle = 0;
	if (hook->slot_fd >= 0) {
		close(hook->slot_fd);
		hook->slot_fd = -1;
	}
}
