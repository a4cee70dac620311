/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE	/* posix_spawn_file_actions_addclosefrom_np() */
#include "csd_spawner_link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int
spawner_link_spawn(pid_t *pid, int socket, const struct csd_spawner_paths *paths)
{
	char *const with_user[] = {"csd_spawner", "--user", (char *)paths->user, (char *)paths->worker, NULL};
	char *const plain[] = {"csd_spawner", (char *)paths->worker, NULL}, *const environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, every;
	int rc = posix_spawn_file_actions_init(&actions);

	if (rc != 0) {
		return -rc;
	}
	rc = posix_spawnattr_init(&attributes);
	if (rc != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -rc;
	}
	sigemptyset(&none);
	sigfillset(&every);
	/* What the target ignores or blocks is not the spawner's. In a group of its own: Ctrl-C is for the target. */
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &every);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	rc = posix_spawn_file_actions_adddup2(&actions, socket, CSD_SPAWNER_SOCKET);
	if (rc == 0) {
		rc = posix_spawn_file_actions_addclosefrom_np(&actions, CSD_SPAWNER_SOCKET + 1);
	}
	if (rc == 0) {
		rc = posix_spawn(pid, paths->spawner, &actions, &attributes, paths->user != NULL ? with_user : plain, environment);
	}
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

int
csd_spawner_link_open(struct csd_spawner_link *link, const struct csd_spawner_paths *paths)
{
	int ends[2], rc;

	link->socket = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
		return -errno;
	}
	/* The spawner may wait for its target, not the other way round. */
	rc = fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? spawner_link_spawn(&link->pid, ends[1], paths) : -errno;
	close(ends[1]);
	if (rc != 0) {
		close(ends[0]);
		return rc;
	}
	link->socket = ends[0];
	return 0;
}

int
csd_spawner_link_send(const struct csd_spawner_link *link, const struct csd_spawner_request *request, const int *descriptors,
		      uint32_t count)
{
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE((CSD_LAYOUT_MEMORIES + 3) * sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec vector = {(void *)request, sizeof(*request)};
	struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

	if (count > CSD_LAYOUT_MEMORIES + 3) {
		return -EINVAL;
	}
	if (count > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
	}
	if (sendmsg(link->socket, &message, MSG_NOSIGNAL) >= 0) {
		return 0;
	}
	return errno == EINTR || errno == ENOBUFS ? -EAGAIN : errno == ECONNRESET || errno == EBADF ? -EPIPE : -errno;
}

int
csd_spawner_link_receive(const struct csd_spawner_link *link, struct csd_spawner_answer *answer)
{
	ssize_t count = recv(link->socket, answer, sizeof(*answer), 0);

	if (count == sizeof(*answer)) {
		return 1;
	}
	return count < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
}

bool
csd_spawner_link_close(struct csd_spawner_link *link)
{
	if (link->socket >= 0) {
		close(link->socket);
		link->socket = -1;
	}
	if (link->pid > 0 && waitpid(link->pid, NULL, WNOHANG) == 0) {
		return false;
	}
	link->pid = 0;
	return true;
}
