/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Both ways of counting, on a real connection over loopback with a known number of bytes. */
#include "check.h"
#include "csd_wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

struct pair {
	int listener;
	int host;
	int target;
	char port[8];
};

static struct pair
connect_pair(int family)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *address = family == AF_INET6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4;
	socklen_t size = family == AF_INET6 ? sizeof(a6) : sizeof(a4);
	struct pair pair;

	pair.listener = socket(family, SOCK_STREAM, 0);
	CHECK(bind(pair.listener, address, size) == 0);
	CHECK(listen(pair.listener, 1) == 0);
	CHECK(getsockname(pair.listener, address, &size) == 0);
	pair.host = socket(family, SOCK_STREAM, 0);
	CHECK(connect(pair.host, address, size) == 0);
	pair.target = accept(pair.listener, NULL, NULL);
	CHECK(pair.target >= 0);
	snprintf(pair.port, sizeof(pair.port), "%u", ntohs(family == AF_INET6 ? a6.sin6_port : a4.sin_port));
	return pair;
}

static void
close_pair(const struct pair *pair)
{
	close(pair->host);
	close(pair->target);
	close(pair->listener);
}

static void
move(int from, int to, size_t bytes)
{
	static uint8_t data[1u << 16];

	while (bytes > 0) {
		size_t part = bytes < sizeof(data) ? bytes : sizeof(data);

		CHECK(send(from, data, part, 0) == (ssize_t)part);
		CHECK(recv(to, data, part, MSG_WAITALL) == (ssize_t)part);
		bytes -= part;
	}
}

static void
count_both_ways(int family, const char *address, bool own)
{
	struct pair pair = connect_pair(family);
	struct csd_wire_count before, after;
	struct csd_wire wire;

	CHECK(csd_wire_init(&wire, address, pair.port, own));
	CHECK_TEXT(wire.interface, "lo");
	csd_wire_read(&wire, &before);
	CHECK_U64(before.connections, 1);	/* the host's end only: the target's has another peer */
	move(pair.target, pair.host, 1000003);
	move(pair.host, pair.target, 77777);
	move(pair.target, pair.host, 1);	/* carries the acknowledgement of what the host sent */
	csd_wire_read(&wire, &after);
	CHECK_U64(after.connections, 1);
	CHECK_U64(after.to_host - before.to_host, 1000004);
	CHECK_U64(after.to_target - before.to_target, 77777);
	CHECK(after.interface_received - before.interface_received >= 1000004 + 77777);
	CHECK(after.interface_sent - before.interface_sent >= 1000004 + 77777);
	close_pair(&pair);
}

static void
test_own_sockets(void)
{
	count_both_ways(AF_INET, "127.0.0.1", true);
}

static void
test_own_sockets_ipv6(void)
{
	count_both_ways(AF_INET6, "::1", true);
}

static void
test_kernel_sockets(void)
{
	count_both_ways(AF_INET, "127.0.0.1", false);
}

static void
test_kernel_sockets_ipv6(void)
{
	count_both_ways(AF_INET6, "::1", false);
}

static void
test_nothing_to_count(void)
{
	struct csd_wire wire = { .known = false };
	struct csd_wire_count count = { .connections = 9 };

	csd_wire_read(&wire, &count);
	CHECK_U64(count.connections, 0);
	CHECK(!csd_wire_init(&wire, "example.org", "4420", true));	/* names are not looked up */
	CHECK(csd_wire_init(&wire, "127.0.0.1", "9", false));
	csd_wire_read(&wire, &count);
	CHECK_U64(count.connections, 0);
}

int
main(void)
{
	RUN(test_own_sockets);
	RUN(test_own_sockets_ipv6);
	RUN(test_kernel_sockets);
	RUN(test_kernel_sockets_ipv6);
	RUN(test_nothing_to_count);
	return check_done();
}
