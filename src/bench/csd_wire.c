/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE
#include "csd_wire.h"

#include <dirent.h>
#include <ifaddrs.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TCP_STATE_ESTABLISHED	1

static void
wire_add(struct csd_wire_count *count, const struct tcp_info *info)
{
	count->connections++;
	count->tcp_to_host += info->tcpi_bytes_received;
	/* Sent and not acknowledged: the acknowledgement of a command may still be on its way when its answer is there. */
	count->tcp_to_target += info->tcpi_bytes_sent - info->tcpi_bytes_retrans;
}

/* Compares address and port, whatever else the structures hold. */
static bool
wire_same_peer(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family) {
		return false;
	}
	if (a->ss_family == AF_INET6) {
		const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)a;
		const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)b;

		return a6->sin6_port == b6->sin6_port && memcmp(&a6->sin6_addr, &b6->sin6_addr, 16) == 0;
	}
	return ((const struct sockaddr_in *)a)->sin_port == ((const struct sockaddr_in *)b)->sin_port &&
	       ((const struct sockaddr_in *)a)->sin_addr.s_addr == ((const struct sockaddr_in *)b)->sin_addr.s_addr;
}

/* The connections among this process's own file descriptors. */
static void
wire_count_own_sockets(const struct csd_wire *wire, struct csd_wire_count *count)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		struct sockaddr_storage peer = { 0 };
		struct tcp_info info = { 0 };
		socklen_t peer_size = sizeof(peer), info_size = sizeof(info);
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0 &&
		    wire_same_peer(&peer, &wire->peer) &&
		    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_size) == 0) {
			wire_add(count, &info);
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
}

/* One socket of a sock_diag answer: counted where its other end is the target. */
static void
wire_count_diag_message(const struct csd_wire *wire, const struct nlmsghdr *header, struct csd_wire_count *count)
{
	const struct inet_diag_msg *message = NLMSG_DATA(header);
	struct rtattr *attribute = (struct rtattr *)(message + 1);
	int left = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof(*message)));
	struct sockaddr_storage peer = { .ss_family = message->idiag_family };

	if (message->idiag_family == AF_INET6) {
		((struct sockaddr_in6 *)&peer)->sin6_port = message->id.idiag_dport;
		memcpy(&((struct sockaddr_in6 *)&peer)->sin6_addr, message->id.idiag_dst, 16);
	} else {
		((struct sockaddr_in *)&peer)->sin_port = message->id.idiag_dport;
		((struct sockaddr_in *)&peer)->sin_addr.s_addr = message->id.idiag_dst[0];
	}
	if (!wire_same_peer(&peer, &wire->peer)) {
		return;
	}
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type == INET_DIAG_INFO) {
			struct tcp_info info = { 0 };
			size_t size = RTA_PAYLOAD(attribute);

			memcpy(&info, RTA_DATA(attribute), size < sizeof(info) ? size : sizeof(info));
			wire_add(count, &info);
		}
	}
}

/* All connections of this machine to the target, as the kernel's sock_diag tells them (what `ss -ti` shows). */
static void
wire_count_kernel_sockets(const struct csd_wire *wire, struct csd_wire_count *count)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.body = {
			.sdiag_family = (uint8_t)wire->peer.ss_family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_ext = 1 << (INET_DIAG_INFO - 1),
			.idiag_states = 1 << TCP_STATE_ESTABLISHED,
		},
	};
	static uint8_t answer[65536] __attribute__((aligned(8)));
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	bool more = fd >= 0 && send(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request);

	while (more) {
		ssize_t got = recv(fd, answer, sizeof(answer), 0);
		unsigned int left = got > 0 ? (unsigned int)got : 0;
		struct nlmsghdr *header = (struct nlmsghdr *)answer;

		more = left > 0;
		for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
			if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY) {
				more = false;	/* the end, or an error */
				break;
			}
			wire_count_diag_message(wire, header, count);
		}
	}
	if (fd >= 0) {
		close(fd);
	}
}

static void
wire_count_interface(const struct csd_wire *wire, struct csd_wire_count *count)
{
	char line[512];
	FILE *file = fopen("/proc/net/dev", "r");
	size_t length = strlen(wire->interface);

	while (length > 0 && file != NULL && fgets(line, sizeof(line), file) != NULL) {
		char *name = line + strspn(line, " ");

		if (strncmp(name, wire->interface, length) == 0 && name[length] == ':') {
			sscanf(name + length + 1, "%lu %*u %*u %*u %*u %*u %*u %*u %lu", &count->interface_received,
			       &count->interface_sent);
		}
	}
	if (file != NULL) {
		fclose(file);
	}
}

/* The interface that holds the address from which the peer would be reached. */
static void
wire_find_interface(struct csd_wire *wire)
{
	socklen_t size = wire->peer.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	struct sockaddr_storage local = { 0 }, candidate;
	socklen_t local_size = sizeof(local);
	struct ifaddrs *list = NULL, *entry;
	int fd = socket(wire->peer.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return;
	}
	if (connect(fd, (const struct sockaddr *)&wire->peer, size) == 0 &&
	    getsockname(fd, (struct sockaddr *)&local, &local_size) == 0 && getifaddrs(&list) == 0) {
		for (entry = list; entry != NULL; entry = entry->ifa_next) {
			if (entry->ifa_addr == NULL || entry->ifa_addr->sa_family != local.ss_family) {
				continue;
			}
			memset(&candidate, 0, sizeof(candidate));
			memcpy(&candidate, entry->ifa_addr, size);
			if (local.ss_family == AF_INET6) {
				((struct sockaddr_in6 *)&candidate)->sin6_port = ((struct sockaddr_in6 *)&local)->sin6_port;
			} else {
				((struct sockaddr_in *)&candidate)->sin_port = ((struct sockaddr_in *)&local)->sin_port;
			}
			if (wire_same_peer(&candidate, &local)) {
				snprintf(wire->interface, sizeof(wire->interface), "%s", entry->ifa_name);
				break;
			}
		}
		freeifaddrs(list);
	}
	close(fd);
}

bool
csd_wire_init(struct csd_wire *wire, const char *address, const char *port, bool own_sockets)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found;

	memset(wire, 0, sizeof(*wire));
	if (getaddrinfo(address, port, &hints, &found) != 0) {
		return false;
	}
	memcpy(&wire->peer, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	snprintf(wire->address, sizeof(wire->address), "%s", address);
	snprintf(wire->port, sizeof(wire->port), "%s", port);
	wire->known = true;
	wire->own_sockets = own_sockets;
	wire_find_interface(wire);
	return true;
}

bool
csd_wire_trace(struct csd_wire *wire, const char *program)
{
	if (!wire->known) {
		return false;
	}
	if (wire->interface[0] == '\0') {
		snprintf(wire->trace.why, sizeof(wire->trace.why), "no interface is known through which %s is reached",
			 wire->address);
		return false;
	}
	return csd_wire_trace_start(&wire->trace, program, wire->interface, wire->address, wire->port);
}

void
csd_wire_read(struct csd_wire *wire, struct csd_wire_count *count)
{
	struct csd_wire_traced traced;

	memset(count, 0, sizeof(*count));
	if (!wire->known) {
		return;
	}
	if (wire->own_sockets) {
		wire_count_own_sockets(wire, count);
	} else {
		wire_count_kernel_sockets(wire, count);
	}
	count->to_host = count->tcp_to_host;
	count->to_target = count->tcp_to_target;
	if (csd_wire_trace_read(&wire->trace, &traced)) {
		count->traced = true;
		count->to_host = traced.to_host;
		count->to_target = traced.to_target;
		count->not_parsed = traced.not_parsed;
	}
	wire_count_interface(wire, count);
}

bool
csd_wire_subtract(struct csd_wire_count *after, const struct csd_wire_count *before)
{
	bool comparable = before->connections > 0 && before->connections == after->connections &&
			  before->traced == after->traced && after->tcp_to_host >= before->tcp_to_host;

	after->to_host -= before->to_host;
	after->to_target -= before->to_target;
	after->tcp_to_host -= before->tcp_to_host;
	after->tcp_to_target -= before->tcp_to_target;
	after->not_parsed -= before->not_parsed;
	after->interface_received -= before->interface_received;
	after->interface_sent -= before->interface_sent;
	return comparable;
}

const char *
csd_wire_source(const struct csd_wire *wire)
{
	if (!wire->known) {
		return "none";
	}
	return wire->trace.pid != 0 ? "nvme_tcp_trace" : "tcp_info";
}

const char *
csd_wire_reason(const struct csd_wire *wire)
{
	if (wire->trace.pid != 0 || !wire->known) {
		return "";
	}
	return wire->trace.why[0] != '\0' ? wire->trace.why : "no path of nvme_tcp_trace was given";
}

void
csd_wire_close(struct csd_wire *wire)
{
	csd_wire_trace_stop(&wire->trace);
}
