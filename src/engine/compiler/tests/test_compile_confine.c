/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What csd_compile and gcc may not do, each tried in the same confinement, by this process and by programs that it starts
 * as csd_compile starts gcc.
 *
 *	test_compile_confine FOLDER	which it makes and removes
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "csd_compile_confine.h"
#include "csd_compile_tool.h"
#include "test.h"

static char folder[256], outside[300];

static struct compile_options options = {
	.limits = {.cpu_seconds = 10, .memory_megabytes = 1024, .output_megabytes = 1},
	.path = "/usr/bin:/bin",
};

/* --- by one call --- */

/* What is not noted here is a number: SYS_... , up to four arguments, and the error that must come. 0: it must succeed. */
struct probe {
	const char *promise;
	long call, a, b, c, d;
	int error;
};

#define P(text)		(long)(text)
#define RUN		(long)AT_FDCWD

static const char *const no_arguments[] = {"true", NULL};
static const char *const nothing[] = {NULL};

/* Where Landlock does not stand, those of files say nothing. */
static const struct probe file_probes[] = {
	{"reads /etc/passwd", SYS_openat, RUN, P("/etc/passwd"), O_RDONLY, 0, EACCES},
	{"reads /proc", SYS_openat, RUN, P("/proc/self/status"), O_RDONLY, 0, EACCES},
	{"lists /", SYS_openat, RUN, P("/"), O_RDONLY | O_DIRECTORY, 0, EACCES},
	{"writes /dev/null", SYS_openat, RUN, P("/dev/null"), O_WRONLY, 0, EACCES},
	{"writes below /usr", SYS_openat, RUN, P("/usr/bin/env"), O_WRONLY, 0, EACCES},
	{"writes outside", SYS_openat, RUN, P(outside), O_WRONLY, 0, EACCES},
	{"makes a file outside", SYS_openat, RUN, P("../csd_compile_other"), O_WRONLY | O_CREAT, 0600, EACCES},
	{"removes outside", SYS_unlink, P(outside), 0, 0, 0, EACCES},
	{"makes a folder", SYS_mkdir, P("folder"), 0700, 0, 0, EACCES},
	{"makes a link to outside", SYS_symlink, P("/etc/passwd"), P("link"), 0, 0, EACCES},
	{"makes a socket by name", SYS_mknod, P("socket"), S_IFSOCK | 0600, 0, 0, EACCES},
	{"runs what it wrote", SYS_execve, P("program"), P(no_arguments), P(nothing), 0, EACCES},
};

static const struct probe probes[] = {
	{"reads a compiler's files", SYS_openat, RUN, P("/usr/bin/gcc"), O_RDONLY, 0, 0},
	{"writes in its folder", SYS_openat, RUN, P("new"), O_WRONLY | O_CREAT, 0600, 0},
	{"removes in its folder", SYS_unlink, P("new"), 0, 0, 0, 0},
	{"opens a socket", SYS_socket, AF_INET, SOCK_STREAM, 0, 0, EPERM},
	{"opens a UNIX socket", SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0, EPERM},
	{"opens two sockets", SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, P(outside), EPERM},
	{"traces", SYS_ptrace, 0 /* PTRACE_TRACEME */, 0, 0, 0, EPERM},
	{"reads another process", SYS_process_vm_readv, 1, 0, 0, 0, EPERM},
	{"signals its starter", SYS_kill, 1, 0, 0, 0, EPERM},
	{"holds another process", SYS_pidfd_open, 1, 0, 0, 0, EPERM},
	{"limits another process", SYS_prlimit64, 1, 0, 0, 0, EPERM},
	{"types", SYS_ioctl, 2, 0x5412 /* TIOCSTI */, P(""), 0, EPERM},
	{"leaves its process group", SYS_setpgid, 0, 0, 0, 0, EPERM},
	{"begins a session", SYS_setsid, 0, 0, 0, 0, EPERM},
	{"mounts", SYS_mount, P("none"), P("/"), P("tmpfs"), 0, EPERM},
	{"makes namespaces", SYS_unshare, CLONE_NEWUSER, 0, 0, 0, EPERM},
	{"clones into namespaces", SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, EPERM},
	{"clones by clone3", SYS_clone3, 0, 0, 0, 0, ENOSYS},
	{"enters namespaces", SYS_setns, 0, 0, 0, 0, EPERM},
	{"changes its root", SYS_chroot, P("/usr"), 0, 0, 0, EPERM},
	{"changes rights of files", SYS_chmod, P("program"), 0700, 0, 0, EPERM},
	{"changes owners of files", SYS_chown, P("program"), 0, 0, 0, EPERM},
	{"loads eBPF", SYS_bpf, 0, 0, 0, 0, EPERM},
	{"counts events", SYS_perf_event_open, 0, 0, 0, 0, EPERM},
	{"handles page faults", SYS_userfaultfd, 0, 0, 0, 0, EPERM},
	{"uses io_uring", SYS_io_uring_setup, 1, P(outside), 0, 0, EPERM},
	{"uses keys", SYS_keyctl, 0, 0, 0, 0, EPERM},
	{"loads modules", SYS_finit_module, 0, P(""), 0, 0, EPERM},
	{"boots a kernel", SYS_kexec_load, 0, 0, 0, 0, EPERM},
	{"sets the clock", SYS_clock_settime, 0, 0, 0, 0, EPERM},
	{"shares memory by number", SYS_shmget, 1, 4096, 0, 0, EPERM},
	{"has descriptors", SYS_fcntl, 5, F_GETFD, 0, 0, EBADF},
	{"has descriptors", SYS_fcntl, 300, F_GETFD, 0, 0, EBADF},
};

static void
try(const struct probe *tried, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct probe *probe = &tried[i];
		long result = syscall(probe->call, probe->a, probe->b, probe->c, probe->d);
		int error = result == -1 ? errno : 0;

		if (probe->call == SYS_openat && result >= 0) {
			close(result);
		}
		CHECK(error == probe->error, "%s: %s, not %s", probe->promise, strerror(error), strerror(probe->error));
	}
}

/* --- by programs that are started --- */

static void
started(const char *promise, const char *const argv[], enum compile_end wanted_end, const char *wanted_text)
{
	char reason[CSD_REASON_BYTES] = "";
	enum compile_end end = compile_run(&options, 1, argv, "printed", reason);
	size_t length;
	char *printed = compile_read_file("printed", 1 << 21, &length);

	CHECK(printed != NULL && end == wanted_end, "%s: ended %d: %s", promise, end, reason);
	CHECK(strcmp(end == COMPILE_DONE ? printed : reason, wanted_text) == 0, "%s: %s%s", promise, printed, reason);
	free(printed);
}

#define ARGUMENTS(...)	(const char *const[]) {__VA_ARGS__, NULL}

static void
try_started(bool files)
{
	started("the environment", ARGUMENTS("env"), COMPILE_DONE, "PATH=/usr/bin:/bin\n");
	started("limits", ARGUMENTS("sh", "-c", "ulimit -t; ulimit -v; ulimit -f; ulimit -n; ulimit -c"), COMPILE_DONE,
		"1\n1048576\n2048\n64\n0\n");
	/* dash keeps the script in 10. */
	started("descriptors", ARGUMENTS("sh", "-c", "for n in 3 4 5 6 7 8 9; do if true <&$n; then echo $n; fi; done 2>/dev/null || :"),
		COMPILE_DONE, "");
	if (files) {
		started("reads what is not its own", ARGUMENTS("cat", "/etc/passwd"), COMPILE_FAILED,
			"cat failed: cat: /etc/passwd: Permission denied");
	}
	started("is nowhere", ARGUMENTS("no-such-tool"), COMPILE_FAILED, "no-such-tool cannot be run in /usr/bin:/bin (status 127)");
	started("says nothing", ARGUMENTS("false"), COMPILE_FAILED, "false failed in /usr/bin:/bin (status 1)");
	started("runs on", ARGUMENTS("sh", "-c", "while :; do :; done"), COMPILE_OVER, "sh needs more than its 1 seconds of CPU time");
	started("writes on", ARGUMENTS("yes"), COMPILE_OVER, "yes writes a file of more than its 1 MiB");
}

static void
inside(void)
{
	char reason[CSD_REASON_BYTES] = "";
	struct csd_confined confined = {.landlock_abi = 0};

	CHECK(chdir(folder) == 0 && setenv("TEST", "1", 1) == 0 && clearenv() == 0 && setenv("PATH", options.path, 1) == 0, "begin");
	CHECK(dup2(STDERR_FILENO, 5) == 5 && dup2(STDERR_FILENO, 300) == 300, "descriptors");
	close(open("program", O_WRONLY | O_CREAT | O_CLOEXEC, 0700));
	CHECK(compile_confine(folder, &confined, reason) == COMPILE_DONE, "%s", reason);
	try(probes, sizeof(probes) / sizeof(probes[0]));
	if (confined.stands[CSD_LAYER_FILES]) {
		try(file_probes, sizeof(file_probes) / sizeof(file_probes[0]));
	}
	CHECK_EQUAL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK_EQUAL(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 2);
	try_started(confined.stands[CSD_LAYER_FILES]);
}

int
main(int argc, char **argv)
{
	const char *const names[] = {"program", "printed", "said"};
	char path[300];
	int status;
	pid_t pid;

	CHECK(argc == 2 && argv[1][0] == '/' && strlen(argv[1]) < sizeof(folder), "usage: test_compile_confine /FOLDER");
	strcpy(folder, argv[1]);
	snprintf(outside, sizeof(outside), "%s.outside", folder);
	CHECK(mkdir(folder, 0700) == 0, "%s: %s", folder, strerror(errno));
	close(open(outside, O_WRONLY | O_CREAT, 0600));
	pid = fork();
	if (pid == 0) {
		alarm(60);
		inside();
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid, "no process");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	unlink(outside);
	CHECK(rmdir(folder) == 0, "%s: %s", folder, strerror(errno));
	CHECK(status == 0, "status %#x", status);
	printf("test_compile_confine: %zu calls, %zu of files, and what is started, passed\n", sizeof(probes) / sizeof(probes[0]),
	       sizeof(file_probes) / sizeof(file_probes[0]));
	return 0;
}
