/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE	/* pipe2(), CPU sets */
#include "csd_spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "csd_now.h"

#define SPAWNER_DESCRIPTORS	(CSD_LAYOUT_MEMORIES + 3)
/* Above all that a child has. */
#define SPAWNER_APART		64

struct spawner_child {
	pid_t pid;		/* 0: none */
	uint32_t id;
	uint64_t kill_at;	/* ns; 0: was not asked */
};

struct spawner_order {
	struct csd_spawner_request request;
	int descriptors[SPAWNER_DESCRIPTORS];
	uint32_t count;
};

static struct spawner_child spawner_children[CSD_SPAWNER_CHILDREN];
static int spawner_worker;		/* the program */
static long spawner_user = -1;

static void __attribute__((noreturn, format(printf, 1, 2)))
spawner_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("csd_spawner: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

/* --- the child --- */

static void __attribute__((noreturn))
spawner_child_fail(const char *what)
{
	dprintf(STDERR_FILENO, "csd_spawner: worker: %s: %s\n", what, strerror(errno));
	_exit(CSD_WORKER_REFUSED);
}

static void
spawner_child_limit(int what, rlim_t limit)
{
	if (setrlimit(what, &(struct rlimit) {limit, limit}) != 0) {
		spawner_child_fail("setrlimit");
	}
}

static void
spawner_child_user(void)
{
	gid_t group = (gid_t)spawner_user;
	uid_t user = (uid_t)spawner_user;

	if (spawner_user >= 0 &&
	    (setgroups(0, NULL) != 0 || setresgid(group, group, group) != 0 || setresuid(user, user, user) != 0)) {
		spawner_child_fail("--user");
	}
}

/* Descriptors from 3 on, as csd_worker.h numbers them; 0 and 1 are nothing, 2 is where errors go. */
static void
spawner_child_descriptors(int setup, const struct spawner_order *order)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), given[SPAWNER_DESCRIPTORS + 1];

	given[0] = fcntl(setup, F_DUPFD_CLOEXEC, SPAWNER_APART);
	for (uint32_t i = 0; i < order->count; i++) {
		given[i + 1] = fcntl(order->descriptors[i], F_DUPFD_CLOEXEC, SPAWNER_APART);
	}
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0) {
		spawner_child_fail("/dev/null");
	}
	for (uint32_t i = 0; i <= order->count; i++) {
		if (given[i] < 0 || dup2(given[i], CSD_WORKER_SETUP + (int)i) < 0) {
			spawner_child_fail("descriptors");
		}
	}
}

static void __attribute__((noreturn))
spawner_child_run(int setup, const struct spawner_order *order)
{
	char *const arguments[] = {"csd_worker", NULL}, *const environment[] = {NULL};
	int program = fcntl(spawner_worker, F_DUPFD_CLOEXEC, SPAWNER_APART);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (order->request.cpu >= 0) {
		cpu_set_t cpus;

		CPU_ZERO(&cpus);
		CPU_SET(order->request.cpu, &cpus);
		if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
			spawner_child_fail("its CPU");
		}
	}
	spawner_child_limit(RLIMIT_STACK, order->request.stack_bytes);
	spawner_child_limit(RLIMIT_CORE, 0);
	spawner_child_descriptors(setup, order);
	spawner_child_user();
	fexecve(program, arguments, environment);
	spawner_child_fail("csd_worker");
}

/* --- orders --- */

static void
spawner_tell(enum csd_spawner_event event, uint32_t id, pid_t pid, int status, const struct rusage *used)
{
	struct csd_spawner_answer answer = {.event = event, .id = id, .pid = pid, .status = status};

	if (used != NULL) {
		answer.cpu_nanoseconds = ((uint64_t)used->ru_utime.tv_sec + (uint64_t)used->ru_stime.tv_sec) * 1000000000 +
					 ((uint64_t)used->ru_utime.tv_usec + (uint64_t)used->ru_stime.tv_usec) * 1000;
	}
	/* Waits while the target is behind. Should it be gone, the next look at the socket says so. */
	while (send(CSD_SPAWNER_SOCKET, &answer, sizeof(answer), MSG_NOSIGNAL) < 0 && errno == EINTR) {
	}
}

static struct spawner_child *
spawner_find(uint32_t id)
{
	for (uint32_t i = 0; i < CSD_SPAWNER_CHILDREN; i++) {
		if (spawner_children[i].pid != 0 && spawner_children[i].id == id) {
			return &spawner_children[i];
		}
	}
	return NULL;
}

static struct spawner_child *
spawner_room(void)
{
	for (uint32_t i = 0; i < CSD_SPAWNER_CHILDREN; i++) {
		if (spawner_children[i].pid == 0) {
			return &spawner_children[i];
		}
	}
	return NULL;
}

/* 0 or errno. A pipe holds the set-up before the child is there to read it. */
static int
spawner_start(const struct spawner_order *order)
{
	struct csd_worker_setup setup = order->request.setup;
	struct spawner_child *child = spawner_room();
	int ends[2], rc = 0;

	if (setup.memory_count > CSD_LAYOUT_MEMORIES || order->count != setup.memory_count + 3) {
		return EINVAL;
	}
	if (child == NULL || spawner_find(order->request.id) != NULL) {
		return child == NULL ? EAGAIN : EEXIST;
	}
	if (pipe2(ends, O_CLOEXEC) != 0) {
		return errno;
	}
	setup.spawner = getpid();
	_Static_assert(sizeof(setup) <= 4096, "a pipe takes it at once");
	if (write(ends[1], &setup, sizeof(setup)) != sizeof(setup)) {
		rc = EIO;
	} else {
		pid_t pid = fork();

		if (pid == 0) {
			spawner_child_run(ends[0], order);
		}
		rc = pid < 0 ? errno : 0;
		if (rc == 0) {
			*child = (struct spawner_child) {.pid = pid, .id = order->request.id};
			spawner_tell(CSD_SPAWNER_STARTED, child->id, pid, 0, NULL);
		}
	}
	close(ends[0]);
	close(ends[1]);
	return rc;
}

static void
spawner_obey(const struct spawner_order *order)
{
	uint32_t id = order->request.id;
	struct spawner_child *child;
	int rc;

	if (order->request.order == CSD_SPAWNER_START) {
		rc = spawner_start(order);
		if (rc != 0) {
			spawner_tell(CSD_SPAWNER_FAILED, id, 0, rc, NULL);
		}
		return;
	}
	/* It may have ended a moment ago. Its process is this one's child until it was waited for: the pid is its own. */
	child = spawner_find(id);
	if (child == NULL) {
		return;
	}
	if (order->request.order == CSD_SPAWNER_ASK && child->kill_at == 0) {
		child->kill_at = csd_now() + CSD_SPAWNER_ASKED_MS * 1000000ULL;
		kill(child->pid, SIGXCPU);
	} else if (order->request.order == CSD_SPAWNER_KILL) {
		kill(child->pid, SIGKILL);
	}
}

/* False: the target is gone. */
static bool
spawner_receive(struct spawner_order *order)
{
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(SPAWNER_DESCRIPTORS * sizeof(int))];
	} control;
	struct iovec vector = {&order->request, sizeof(order->request)};
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t count = recvmsg(CSD_SPAWNER_SOCKET, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	order->count = 0;
	if (count < 0) {
		return errno == EAGAIN || errno == EINTR;
	}
	for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at != NULL; at = CMSG_NXTHDR(&message, at)) {
		if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS) {
			order->count = (uint32_t)((at->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(order->descriptors, CMSG_DATA(at), order->count * sizeof(int));
		}
	}
	if (count == sizeof(order->request) && (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) {
		spawner_obey(order);
	}
	for (uint32_t i = 0; i < order->count; i++) {
		close(order->descriptors[i]);
	}
	return count > 0;
}

/* --- ends --- */

static void
spawner_reap(int flags)
{
	struct rusage used;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, flags, &used)) > 0) {
		for (uint32_t i = 0; i < CSD_SPAWNER_CHILDREN; i++) {
			if (spawner_children[i].pid == pid) {
				spawner_children[i].pid = 0;
				spawner_tell(CSD_SPAWNER_ENDED, spawner_children[i].id, pid, status, &used);
			}
		}
	}
}

/* Ends who was asked and did not answer. Milliseconds to the next such end; -1: none. */
static int
spawner_kill_asked(void)
{
	uint64_t now = csd_now(), next = UINT64_MAX;

	for (uint32_t i = 0; i < CSD_SPAWNER_CHILDREN; i++) {
		struct spawner_child *child = &spawner_children[i];

		if (child->pid == 0 || child->kill_at == 0) {
			continue;
		}
		if (child->kill_at <= now) {
			kill(child->pid, SIGKILL);
		} else if (child->kill_at < next) {
			next = child->kill_at;
		}
	}
	return next == UINT64_MAX ? -1 : (int)((next - now) / 1000000) + 1;
}

static void __attribute__((noreturn))
spawner_end(void)
{
	for (uint32_t i = 0; i < CSD_SPAWNER_CHILDREN; i++) {
		if (spawner_children[i].pid != 0) {
			kill(spawner_children[i].pid, SIGKILL);
		}
	}
	spawner_reap(0);
	exit(0);
}

static void
spawner_arguments(int argc, char **argv)
{
	const char *worker = argv[argc - 1];
	char *end = NULL;

	if (argc == 4 && strcmp(argv[1], "--user") == 0) {
		spawner_user = strtol(argv[2], &end, 10);
		if (argv[2][0] < '0' || argv[2][0] > '9' || *end != '\0' || spawner_user < 1 || spawner_user > INT32_MAX) {
			spawner_fail("--user is %s; it is the number of a user other than root", argv[2]);
		}
	} else if (argc != 2) {
		spawner_fail("usage: csd_spawner [--user UID] WORKER, with its target's socket as descriptor 3");
	}
	spawner_worker = open(worker, O_PATH | O_CLOEXEC);
	if (spawner_worker < 0) {
		spawner_fail("%s: %s", worker, strerror(errno));
	}
}

int
main(int argc, char **argv)
{
	static struct spawner_order order;
	struct pollfd looked[2] = {{.fd = CSD_SPAWNER_SOCKET, .events = POLLIN}, {.events = POLLIN}};
	sigset_t children;
	int kind = 0;
	socklen_t length = sizeof(kind);

	spawner_arguments(argc, argv);
	if (getsockopt(CSD_SPAWNER_SOCKET, SOL_SOCKET, SO_TYPE, &kind, &length) != 0 || kind != SOCK_SEQPACKET ||
	    fcntl(CSD_SPAWNER_SOCKET, F_SETFD, FD_CLOEXEC) != 0) {
		spawner_fail("descriptor 3 is not its target's socket");
	}
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	looked[1].fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	if (looked[1].fd < 0 || prctl(PR_SET_DUMPABLE, 0) != 0) {
		spawner_fail("%s", strerror(errno));
	}
	for (;;) {
		struct signalfd_siginfo ignored;

		poll(looked, 2, spawner_kill_asked());
		if (looked[1].revents != 0 && read(looked[1].fd, &ignored, sizeof(ignored)) > 0) {
			spawner_reap(WNOHANG);
		}
		if (looked[0].revents != 0 && !spawner_receive(&order)) {
			spawner_end();
		}
	}
}
