/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The probe against targets that answer as they please, each a child process. */
#include "check.h"
#include "csd_probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum answer { ANSWER_REFUSE, ANSWER_NOISE, ANSWER_CLOSE, ANSWER_STATUS };

static char g_port[8];

static struct csd_place
place(void)
{
	return (struct csd_place){ .traddr = "127.0.0.1", .trsvcid = g_port, .subnqn = "nqn.s", .hostnqn = "nqn.h" };
}

static void
answer_connection(int fd, enum answer answer, uint16_t status)
{
	uint8_t ic[128], command[1096], response[24] = { 0x05, 0, 24, 0, 24 };

	if (answer == ANSWER_NOISE) {
		memset(ic, 'x', sizeof(ic));
		send(fd, ic, sizeof(ic), MSG_NOSIGNAL);
	} else if (answer != ANSWER_REFUSE && recv(fd, ic, sizeof(ic), MSG_WAITALL) == sizeof(ic)) {
		ic[0] = 0x01;		/* ICResp */
		send(fd, ic, sizeof(ic), MSG_NOSIGNAL);
		if (answer == ANSWER_STATUS && recv(fd, command, sizeof(command), MSG_WAITALL) == sizeof(command)) {
			memcpy(response + 22, &status, 2);
			send(fd, response, sizeof(response), MSG_NOSIGNAL);
		}
	}
}

static int
explain(enum answer answer, uint16_t status, struct csd_error *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t size = sizeof(address);
	struct csd_place where;
	pid_t child;
	int rc;

	CHECK(bind(listener, (struct sockaddr *)&address, size) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
	snprintf(g_port, sizeof(g_port), "%u", ntohs(address.sin_port));
	if (answer != ANSWER_REFUSE) {
		CHECK(listen(listener, 1) == 0);
	}
	child = fork();
	if (child == 0) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0) {
			answer_connection(fd, answer, status);
			close(fd);
		}
		_exit(0);
	}
	where = place();
	rc = csd_probe_explain(&where, err);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(listener);
	return rc;
}

static void
test_nobody_listens(void)
{
	struct csd_error err;
	char asked[64];

	CHECK(explain(ANSWER_REFUSE, 0, &err) == -CSD_UNAVAILABLE);
	snprintf(asked, sizeof(asked), "connection to 127.0.0.1 port %s", g_port);
	CHECK_TEXT(err.asked, asked);
	CHECK_TEXT(err.found, "Connection refused");
}

static void
test_something_else_listens(void)
{
	struct csd_error err;

	CHECK(explain(ANSWER_NOISE, 0, &err) == -CSD_UNAVAILABLE);
	CHECK_TEXT(err.found, "something accepts connections there, and does not speak NVMe/TCP");
	CHECK(explain(ANSWER_CLOSE, 0, &err) == -CSD_UNAVAILABLE);
	CHECK_TEXT(err.found, "the target speaks NVMe/TCP, and did not answer a Connect command");
}

static void
test_connect_statuses(void)
{
	struct csd_error err;

	CHECK(explain(ANSWER_STATUS, 1 << 9 | 0x84 << 1, &err) == -CSD_REFUSED);
	CHECK_TEXT(err.found, "the target does not allow this host (Connect Invalid Host, 01h/84h)");
	CHECK_TEXT(err.fix, "use a host NQN that the subsystem allows, or add this one to its allowed hosts");
	CHECK(explain(ANSWER_STATUS, 1 << 9 | 0x82 << 1, &err) == -CSD_REFUSED);
	CHECK_TEXT(err.found, "the target has no such subsystem at this address (Connect Invalid Parameters, 01h/82h)");
	CHECK(explain(ANSWER_STATUS, 1 << 9 | 0x81 << 1, &err) == -CSD_REFUSED);
	CHECK_TEXT(err.found, "the target refused the Connect command with status 01h/81h");
	CHECK(explain(ANSWER_STATUS, 0x0c << 1, &err) == -CSD_REFUSED);
	CHECK_TEXT(err.found, "the target refused the Connect command with status 00h/0Ch");
	CHECK(explain(ANSWER_STATUS, 0, &err) == -CSD_UNAVAILABLE);
	CHECK_TEXT(err.found, "the target allows this host, and yet the connection could not be set up");
}

static void
test_names_are_not_looked_up(void)
{
	struct csd_place where = { .traddr = "localhost", .trsvcid = "4420" };
	struct csd_error err;

	CHECK(csd_probe_reach(&where, &err) == -CSD_USAGE);
	CHECK_TEXT(err.found, "these are not an IP address and a port number");
}

int
main(void)
{
	RUN(test_nobody_listens);
	RUN(test_something_else_listens);
	RUN(test_connect_statuses);
	RUN(test_names_are_not_looked_up);
	return check_done();
}
