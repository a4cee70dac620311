/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Both ways of counting, on a real connection over loopback with a known number of bytes. */
#include "check.h"
#include "csd_wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRACER	"./tracer.sh"

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

/* A program in nvme_tcp_trace's place. */
static void
write_tracer(const char *text)
{
	FILE *file = fopen(TRACER, "w");

	CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0 && chmod(TRACER, 0755) == 0);
}

#define SNAPSHOT \
	"{\"event\": \"snapshot\", \"ports\": [{\"to_target\": {\"bytes\": 72, \"pdus\": []}, " \
	"\"to_host\": {\"bytes\": 5000000000}, \"not_parsed\": {\"bytes\": 7}}]}"

static void
test_traced(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct csd_wire_count before, after;
	struct csd_wire wire;

	write_tracer("#!/bin/sh\necho \"$*\" > " TRACER ".words\necho '{\"event\": \"ready\"}'\n"
		     "while read -r line; do echo '" SNAPSHOT "'; done\n");
	CHECK(csd_wire_init(&wire, "127.0.0.1", pair.port, true));
	CHECK_TEXT(csd_wire_source(&wire), "tcp_info");
	CHECK_TEXT(csd_wire_reason(&wire), "no path of nvme_tcp_trace was given");
	CHECK(csd_wire_trace(&wire, TRACER));
	CHECK_TEXT(csd_wire_source(&wire), "nvme_tcp_trace");
	CHECK_TEXT(csd_wire_reason(&wire), "");
	csd_wire_read(&wire, &before);
	move(pair.target, pair.host, 1000);
	csd_wire_read(&wire, &after);
	CHECK(after.traced);
	CHECK_U64(after.to_host, 5000000000);
	CHECK_U64(after.to_target, 72);
	CHECK_U64(after.not_parsed, 7);
	CHECK(csd_wire_subtract(&after, &before));
	CHECK_U64(after.to_host, 0);
	CHECK_U64(after.tcp_to_host, 1000);
	/* It ends with its input. */
	csd_wire_close(&wire);
	csd_wire_close(&wire);
	CHECK(wire.trace.pid == 0);
	CHECK_TEXT(csd_wire_source(&wire), "tcp_info");
	close_pair(&pair);
}

/* Without it everything goes on with tcp_info, and the reason is told. */
static void
test_not_traced(void)
{
	static const struct {
		const char *text;
		const char *reason;
	} cases[] = {
		{ "#!/bin/sh\nprintf 'asked: a\\nfound: no right\\ndo: b\\n' >&2\nexit 1\n", TRACER ": no right" },
		{ "#!/bin/sh\nexit 3\n", TRACER ": it did not come up" },
		{ "#!/bin/sh\necho nonsense\n", TRACER ": it did not come up" },
		{ "#!/nonexistent\n", TRACER ": No such file or directory" },
	};
	struct pair pair = connect_pair(AF_INET);
	struct csd_wire_count count;
	struct csd_wire wire;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_tracer(cases[i].text);
		CHECK(csd_wire_init(&wire, "127.0.0.1", pair.port, true));
		CHECK(!csd_wire_trace(&wire, TRACER));
		CHECK_TEXT(csd_wire_source(&wire), "tcp_info");
		CHECK_TEXT(csd_wire_reason(&wire), cases[i].reason);
		csd_wire_read(&wire, &count);
		CHECK(!count.traced);
		CHECK_U64(count.connections, 1);
		csd_wire_close(&wire);
	}
	close_pair(&pair);
}

/* It dies between two readings: they cannot be compared, and the later ones are tcp_info's. */
static void
test_tracer_dies(void)
{
	struct pair pair = connect_pair(AF_INET);
	struct csd_wire_count before, after;
	struct csd_wire wire;
	siginfo_t dead;

	write_tracer("#!/bin/sh\necho '{\"event\": \"ready\"}'\nread -r line\necho '" SNAPSHOT "'\n");
	CHECK(csd_wire_init(&wire, "127.0.0.1", pair.port, true));
	CHECK(csd_wire_trace(&wire, TRACER));
	csd_wire_read(&wire, &before);
	CHECK(before.traced);
	/* Until it has died; it is left for whoever started it. */
	CHECK(waitid(P_ALL, 0, &dead, WEXITED | WNOWAIT) == 0);
	csd_wire_read(&wire, &after);
	CHECK(!after.traced);
	CHECK(!csd_wire_subtract(&after, &before));
	CHECK_TEXT(csd_wire_source(&wire), "tcp_info");
	CHECK_TEXT(csd_wire_reason(&wire), "nvme_tcp_trace ended, or did not answer, in the middle of the run");
	csd_wire_read(&wire, &before);
	csd_wire_read(&wire, &after);
	CHECK(csd_wire_subtract(&after, &before));
	csd_wire_close(&wire);
	close_pair(&pair);
}

int
main(void)
{
	RUN(test_own_sockets);
	RUN(test_own_sockets_ipv6);
	RUN(test_kernel_sockets);
	RUN(test_kernel_sockets_ipv6);
	RUN(test_nothing_to_count);
	RUN(test_traced);
	RUN(test_not_traced);
	RUN(test_tracer_dies);
	return check_done();
}
