/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Each layer of csd_confine by itself, as a worker may use them: a list of what is allowed, a kernel without Landlock, the
 * words. What csd_compile makes of them is test_compile_confine's.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "csd_confine.h"
#include "test.h"

/* The probe's exit status, or its signal and 128. 126: it could not be tried. */
static int
outcome(void (*probe)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(30);
		probe();
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid, "no process");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void
must(int rc)
{
	if (rc != 0) {
		fprintf(stderr, "test_confine: %s\n", strerror(-rc));
		_exit(126);
	}
}

/* --- calls --- */

static void
only_these(void)
{
	static const struct csd_confine_call allowed[] = {
		{SYS_exit_group, SECCOMP_RET_ALLOW, CSD_CONFINE_ALWAYS, 0, 0},
		{SYS_mprotect, SECCOMP_RET_ERRNO | EPERM, CSD_CONFINE_ANY_BIT, 2, PROT_EXEC},
		{SYS_mprotect, SECCOMP_RET_ALLOW, CSD_CONFINE_ALWAYS, 0, 0},
		{SYS_fcntl, SECCOMP_RET_ALLOW, CSD_CONFINE_EQUAL, 1, F_GETFD},
		{SYS_fcntl, SECCOMP_RET_ERRNO | ENOLCK, CSD_CONFINE_EQUAL, 0, 2},
		{SYS_getppid, SECCOMP_RET_ERRNO | ENOTTY, CSD_CONFINE_ALWAYS, 0, 0},
	};
	const struct csd_confine_calls calls = {allowed, sizeof(allowed) / sizeof(allowed[0]), SECCOMP_RET_KILL_PROCESS};
	struct csd_confined confined = {.landlock_abi = 0};

	must(csd_confine_privileges(&confined));
	must(csd_confine_calls(&confined, &calls));
}

static char page[4096] __attribute__((aligned(4096)));

static void
probe_allowed(void)
{
	only_these();
	/* Of the last rule, behind one that looked at an argument. */
	if (mprotect(page, sizeof(page), PROT_READ) != 0 || syscall(SYS_getppid) != -1 || errno != ENOTTY) {
		_exit(1);
	}
}

static void
probe_argument(void)
{
	only_these();
	_exit(mprotect(page, sizeof(page), PROT_READ | PROT_EXEC) == -1 && errno == EPERM ? 0 : 1);
}

static void
probe_equal(void)
{
	only_these();
	/* F_GETFL has the bits of F_GETFD and more. */
	_exit(fcntl(1, F_GETFD) >= 0 && fcntl(2, F_GETFL) == -1 && errno == ENOLCK ? 0 : 1);
}

static void
probe_not_equal(void)
{
	only_these();
	fcntl(1, F_GETFL);
}

static void
probe_other_call(void)
{
	only_these();
	syscall(SYS_getpid);
}

static void
probe_x32(void)
{
	only_these();
	syscall(0x40000000 | SYS_getppid);
}

static void
probe_i386(void)
{
	long result;

	only_these();
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(64L /* getppid of i386 */) : "memory", "r8", "r9", "r10", "r11");
	_exit(1);
}

static void
probe_many_calls(void)
{
	static struct csd_confine_call many[BUFSIZ];
	struct csd_confine_calls calls = {many, 5000, SECCOMP_RET_ALLOW};
	struct csd_confined confined = {.landlock_abi = 0};

	must(csd_confine_privileges(&confined));
	if (csd_confine_calls(&confined, &calls) != -E2BIG || confined.stands[CSD_LAYER_CALLS]) {
		_exit(1);
	}
	calls.count = 1;
	many[0].argument = 6;
	if (csd_confine_calls(&confined, &calls) != -EINVAL) {
		_exit(2);
	}
	many[0] = (struct csd_confine_call) {SYS_getppid, SECCOMP_RET_ALLOW, CSD_CONFINE_ANY_BIT, 0, 0};
	if (csd_confine_calls(&confined, &calls) != -EINVAL) {
		_exit(3);
	}
	many[0].test = 3;
	many[0].value = 1;
	if (csd_confine_calls(&confined, &calls) != -EINVAL) {
		_exit(4);
	}
	/* As many as fit. */
	memset(many, 0, sizeof(many));
	for (calls.count = 0; calls.count < 818; calls.count++) {
		many[calls.count] = (struct csd_confine_call) {SYS_getppid, SECCOMP_RET_ERRNO | EPERM, CSD_CONFINE_ANY_BIT, 5, 1U << 31};
	}
	must(csd_confine_calls(&confined, &calls));
}

/* --- files, ports, signals --- */

static struct csd_confined landlock;

static void
only_etc(void)
{
	static const struct csd_confine_path paths[] = {
		{"/etc", CSD_CONFINE_READ}, {"/nowhere/at/all", CSD_CONFINE_READ}, {"/dev/null", CSD_CONFINE_READ | CSD_CONFINE_WRITE},
	};

	must(csd_confine_privileges(&landlock));
	must(csd_confine_files(&landlock, paths, sizeof(paths) / sizeof(paths[0])));
}

static bool
is_denied(int rc, int error)
{
	return rc == -1 && errno == error;
}

static void
probe_files(void)
{
	only_etc();
	if (open("/etc/passwd", O_RDONLY) < 0 || open("/dev/null", O_RDWR) < 0) {
		_exit(1);
	}
	if (!is_denied(open("/etc/passwd", O_WRONLY), EACCES) || !is_denied(open("/usr/bin/env", O_RDONLY), EACCES) ||
	    !is_denied(open("/", O_RDONLY | O_DIRECTORY), EACCES) || !is_denied(mkdir("/tmp/csd_confine_probe", 0700), EACCES) ||
	    !is_denied(execl("/usr/bin/env", "env", NULL), EACCES)) {
		_exit(2);
	}
}

static void
probe_tcp(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int port;

	only_etc();
	port = socket(AF_INET, SOCK_STREAM, 0);
	if (landlock.stands[CSD_LAYER_TCP] && (!is_denied(connect(port, (void *)&address, sizeof(address)), EACCES) ||
					       !is_denied(bind(port, (void *)&address, sizeof(address)), EACCES))) {
		_exit(1);
	}
}

static void
probe_signals(void)
{
	only_etc();
	if (landlock.stands[CSD_LAYER_SIGNALS] && !is_denied(kill(getppid(), 0), EPERM)) {
		_exit(1);
	}
}

static void
probe_no_landlock(void)
{
	static const struct csd_confine_call none[] = {
		{SYS_landlock_create_ruleset, SECCOMP_RET_ERRNO | ENOSYS, CSD_CONFINE_ALWAYS, 0, 0},
	};
	const struct csd_confine_calls calls = {none, 1, SECCOMP_RET_ALLOW};
	struct csd_confined confined = {.landlock_abi = 0};
	char words[512], few[12];

	must(csd_confine_privileges(&confined));
	must(csd_confine_descriptors(&confined, 3));
	must(csd_confine_calls(&confined, &calls));
	if (csd_confine_files(&confined, NULL, 0) != -EOPNOTSUPP) {
		_exit(1);
	}
	csd_confine_words(&confined, words, sizeof(words));
	csd_confine_words(&confined, few, sizeof(few));
	if (strcmp(words, "no_new_privs, no capabilities, descriptors closed, calls by seccomp; missing: files by Landlock (ABI 1 is "
		   "needed, here is 0), TCP by Landlock (ABI 4 is needed, here is 0), signals by Landlock (ABI 6 is needed, here is "
		   "0)") != 0 || strcmp(few, "no_new_priv") != 0) {
		fprintf(stderr, "%s\n%s\n", words, few);
		_exit(2);
	}
}

static void
probe_no_privileges(void)
{
	struct csd_confined confined = {.landlock_abi = 0};
	char words[512];
	FILE *status;

	csd_confine_words(&confined, words, sizeof(words));
	if (strncmp(words, "missing: no_new_privs, no capabilities, ", 40) != 0) {
		_exit(1);
	}
	must(csd_confine_privileges(&confined));
	status = fopen("/proc/self/status", "r");
	for (int found = 0; found < 4;) {
		if (status == NULL || fgets(words, sizeof(words), status) == NULL) {
			_exit(2);
		}
		found += strcmp(words, "CapPrm:\t0000000000000000\n") == 0 || strcmp(words, "CapEff:\t0000000000000000\n") == 0 ||
			 strcmp(words, "CapAmb:\t0000000000000000\n") == 0 || strcmp(words, "NoNewPrivs:\t1\n") == 0;
	}
	/* And not after an exec: of root too. */
	execlp("sh", "sh", "-c", "grep -q '^CapEff:.0000000000000000$' /proc/self/status", NULL);
}

/* A service's own filter may not have the call: who has no capability does without. */
static void
no_capset(void)
{
	static const struct csd_confine_call none[] = {{SYS_capset, SECCOMP_RET_ERRNO | EPERM, CSD_CONFINE_ALWAYS, 0, 0}};
	const struct csd_confine_calls calls = {none, 1, SECCOMP_RET_ALLOW};
	struct csd_confined confined = {.landlock_abi = 0};

	must(csd_confine_calls(&confined, &calls));
}

static void
probe_no_capset(void)
{
	struct csd_confined confined = {.landlock_abi = 0};
	int user = 65534, rc;

	if (geteuid() == 0 && (setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0)) {
		_exit(126);
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		_exit(126);
	}
	no_capset();
	rc = csd_confine_privileges(&confined);
	_exit(rc == 0 && confined.stands[CSD_LAYER_CAPABILITIES] ? 0 : 1);
}

static void
probe_no_capset_as_root(void)
{
	struct csd_confined confined = {.landlock_abi = 0};

	no_capset();
	_exit(csd_confine_privileges(&confined) == -EPERM && !confined.stands[CSD_LAYER_CAPABILITIES] ? 0 : 1);
}

static void
check_missing(void)
{
	char words[128], few[8];

	csd_confine_missing((1U << CSD_LAYERS) - 1, words, sizeof(words));
	CHECK(words[0] == '\0', "%s", words);
	csd_confine_missing(~(1U << CSD_LAYER_TCP | 1U << CSD_LAYER_SIGNALS), words, sizeof(words));
	CHECK(strcmp(words, "TCP by Landlock, signals by Landlock") == 0, "%s", words);
	csd_confine_missing(0, few, sizeof(few));
	CHECK(strcmp(few, "no_new_") == 0, "%s", few);
}

static void
probe_descriptors(void)
{
	struct csd_confined confined = {.landlock_abi = 0};

	if (dup2(STDERR_FILENO, 200) != 200 || dup2(STDERR_FILENO, 4) != 4) {
		_exit(126);
	}
	must(csd_confine_descriptors(&confined, 5));
	_exit(fcntl(4, F_GETFD) != -1 && is_denied(fcntl(200, F_GETFD), EBADF) && is_denied(fcntl(5, F_GETFD), EBADF) ? 0 : 1);
}

int
main(void)
{
	bool has_landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;

	CHECK_EQUAL(outcome(probe_allowed), 0);
	CHECK_EQUAL(outcome(probe_argument), 0);
	CHECK_EQUAL(outcome(probe_equal), 0);
	CHECK_EQUAL(outcome(probe_not_equal), 128 + SIGSYS);
	CHECK_EQUAL(outcome(probe_other_call), 128 + SIGSYS);
	CHECK_EQUAL(outcome(probe_x32), 128 + SIGSYS);
	/* A kernel without i386 has no such way in, and says so by SIGSEGV. */
	CHECK(outcome(probe_i386) == 128 + SIGSYS || outcome(probe_i386) == 128 + SIGSEGV, "i386");
	CHECK_EQUAL(outcome(probe_many_calls), 0);
	if (has_landlock) {
		CHECK_EQUAL(outcome(probe_files), 0);
		CHECK_EQUAL(outcome(probe_tcp), 0);
		CHECK_EQUAL(outcome(probe_signals), 0);
	}
	CHECK_EQUAL(outcome(probe_no_landlock), 0);
	CHECK_EQUAL(outcome(probe_no_privileges), 0);
	CHECK_EQUAL(outcome(probe_no_capset), 0);
	if (geteuid() == 0) {
		CHECK_EQUAL(outcome(probe_no_capset_as_root), 0);
	}
	check_missing();
	CHECK_EQUAL(outcome(probe_descriptors), 0);
	printf("test_confine: calls%s, privileges, descriptors, words, passed\n",
	       has_landlock ? ", files, ports, signals" : " (no Landlock here: files were not tried)");
	return 0;
}
