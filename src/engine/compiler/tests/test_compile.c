/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * csd_compile as it is started: what it gives and says, that it ends within its limits, and that nothing is left of it: no
 * file, no process.
 *
 *	test_compile BINARY FOLDER PROGRAMS BOMBS	FOLDER: empty, this test's own; the others: of objects
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "csd_blob.h"
#include "csd_confine.h"
#include "test.h"

#define ARGUMENTS	24
#define HANGS_SECONDS	90

static const char *binary, *folder, *programs, *bombs;
static char room[300], result[300];	/* --folder, and where the output goes */

/* A call that the kernel of what is started does not know; 0: none such. */
static long unknown_call;

/* What is waited for, should it be too long. */
static const char *at_hand = "";

static void
hangs(int number)
{
	(void)number;
	dprintf(STDERR_FILENO, "test_compile: %s: not done after %d seconds\n", at_hand, HANGS_SECONDS);
	_exit(1);
}

struct run {
	int status;
	char said[1024];
};

/* A few of them at a time. */
static char *
in(const char *where, const char *name)
{
	static char paths[4][512];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", where, name);
	return path;
}

static void
expect_nothing_left(const char *what)
{
	DIR *listing = opendir(room);
	struct dirent *entry;

	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "%s: a process is left", what);
	while ((entry = readdir(listing)) != NULL) {
		CHECK(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0, "%s: %s is left", what, entry->d_name);
	}
	closedir(listing);
}

static void
forget_call(void)
{
	const struct csd_confine_call call = {unknown_call, SECCOMP_RET_ERRNO | ENOSYS, CSD_CONFINE_ALWAYS, 0, 0};
	const struct csd_confine_calls calls = {&call, 1, SECCOMP_RET_ALLOW};
	struct csd_confined confined = {.landlock_abi = 0};

	if (unknown_call != 0 && (csd_confine_privileges(&confined) != 0 || csd_confine_calls(&confined, &calls) != 0)) {
		_exit(126);
	}
}

/* Starts it with an object on stdin; `words` are its arguments, divided by spaces. */
static pid_t
start(const char *object, const char *words)
{
	char text[2048], *rest = text, *argv[ARGUMENTS] = {(char *)binary, "--folder", room};
	int count = 3;
	pid_t pid;

	at_hand = words;
	alarm(HANGS_SECONDS);
	snprintf(text, sizeof(text), "%s", words);
	while ((argv[count] = strsep(&rest, " ")) != NULL) {
		count += argv[count][0] != '\0';
		CHECK(count < ARGUMENTS, "%s", words);
	}
	pid = fork();
	if (pid == 0) {
		int input = open(object, O_RDONLY), output = open(result, O_RDWR | O_CREAT | O_TRUNC, 0600);
		int said = open(in(folder, "said"), O_RDWR | O_CREAT | O_TRUNC, 0600);

		sigset_t all;

		/* As one that reads its signals from a descriptor has them. */
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		signal(SIGXCPU, SIG_IGN);
		signal(SIGXFSZ, SIG_IGN);
		if (input < 0 || output < 0 || said < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(said, 2) < 0) {
			_exit(126);
		}
		forget_call();
		execv(binary, argv);
		_exit(127);
	}
	CHECK(pid > 0, "no process");
	return pid;
}

static struct run
finish(pid_t pid, const char *what)
{
	struct run run = {.status = -1};
	struct file said;
	int status;

	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "%s: status %#x", what, status);
	alarm(0);
	expect_nothing_left(what);
	said = read_whole(in(folder, "said"));
	CHECK(said.length < sizeof(run.said), "%s: says %zu bytes", what, said.length);
	memcpy(run.said, said.bytes, said.length);
	run.status = WEXITSTATUS(status);
	free(said.bytes);
	return run;
}

/* The text as a whole, or its begin, where `text` ends with "...". */
static void
expect(const char *what, const struct run *run, int status, const char *text)
{
	size_t length = strlen(text);
	bool begins = length > 3 && strcmp(text + length - 3, "...") == 0;

	CHECK(run->status == status, "%s: exit %d, not %d: %s", what, run->status, status, run->said);
	CHECK(begins ? strncmp(run->said, text, length - 3) == 0 : strcmp(run->said, text) == 0, "%s: says: %s\nnot: %s", what, run->said,
	      text);
	/* A reason, or a remark: one line. */
	CHECK(run->said[0] == '\0' || (strchr(run->said, '\n') == run->said + strlen(run->said) - 1 && strlen(run->said) <= 256), "%s: %s",
	      what, run->said);
	for (const char *c = run->said; *c != '\0'; c++) {
		CHECK(isprint((unsigned char)*c) || *c == '\n', "%s: byte %02x", what, (unsigned char)*c);
	}
}

static void
expect_output(const char *what, bool blob)
{
	struct file file = read_whole(result);
	struct csd_blob_header header;

	CHECK(blob ? csd_blob_check(file.bytes, file.length, &header) == 0 : file.length == 0, "%s: %zu bytes come out", what, file.length);
	free(file.bytes);
}

static void
compile(const char *object, const char *words, int status, const char *text)
{
	struct run run = finish(start(object, words), words);

	expect(words[0] != '\0' ? words : object, &run, status, text);
	expect_output(words, status == 0);
}

/* The cache relies on it: the same program, the same blob, whatever folder it was made in. */
static void
check_same(void)
{
	struct file first, second;

	compile(in(programs, "helpers.bpf.o"), "", 0, "");
	first = read_whole(result);
	compile(in(programs, "helpers.bpf.o"), "--folder room", 0, "");
	second = read_whole(result);
	CHECK(first.length == second.length && memcmp(first.bytes, second.bytes, first.length) == 0, "another blob of the same program");
	free(first.bytes);
	free(second.bytes);
}

/* --- by name --- */

static void
check_names(void)
{
	char words[2048], object[512], to[512];
	struct stat status;
	struct file file;

	snprintf(object, sizeof(object), "%s/top.bpf.o", programs);
	snprintf(to, sizeof(to), "%s/out.csd", folder);
	snprintf(words, sizeof(words), "%s -o %s", object, to);
	struct run run = finish(start("/dev/null", words), words);

	expect(words, &run, 0, "");
	expect_output(words, false);
	CHECK(stat(to, &status) == 0 && (status.st_mode & 0777) == 0644, "%s: mode %o", to, status.st_mode);
	/* What is there stays if nothing better comes. */
	snprintf(words, sizeof(words), "/dev/null -o %s", to);
	run = finish(start("/dev/null", words), words);
	expect(words, &run, 1, "no ELF object\n");
	file = read_whole(to);
	CHECK_EQUAL(file.length, status.st_size);
	free(file.bytes);
	unlink(to);
	run = finish(start("/dev/null", words), words);
	CHECK(run.status == 1 && access(to, F_OK) != 0, "%s: a file without a program", to);
	snprintf(words, sizeof(words), "/no/such.o -o %s", to);
	run = finish(start("/dev/null", words), words);
	expect(words, &run, 3, "/no/such.o: No such file or directory\n");
	snprintf(words, sizeof(words), "%s -o /no/such.csd", object);
	run = finish(start("/dev/null", words), words);
	expect(words, &run, 3, "/no/such.csd: No such file or directory\n");
}

static void
check_usage(void)
{
	static const char *const wrong[] = {"a.o", "a.o b.o -o c", "-o c", "--no-such", "--cpu-seconds"};
	struct run run;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		run = finish(start("/dev/null", wrong[i]), wrong[i]);
		CHECK(run.status == 3 && strstr(run.said, "usage: csd_compile [OPTIONS] PROGRAM.bpf.o -o PROGRAM.csd\n") != NULL,
		      "%s: exit %d: %s", wrong[i], run.status, run.said);
	}
	run = finish(start("/dev/null", "--cpu-seconds 0"), "0");
	expect("0", &run, 3, "--cpu-seconds 0: a number from 1 to 1000000\n");
	run = finish(start("/dev/null", "--seconds 5x"), "5x");
	expect("5x", &run, 3, "--seconds 5x: a number from 1 to 1000000\n");
}

/* --- refusals and limits --- */

static void
check_refusals(void)
{
	char large[512];

	snprintf(large, sizeof(large), "%s/large.o", folder);
	close(open(large, O_WRONLY | O_CREAT, 0600));
	CHECK(truncate(large, (1 << 20) + 5) == 0, "%s", large);
	compile(in(programs, "../bad/helper.bpf.o"), "", 1, "instruction ...");
	compile("/dev/null", "", 1, "no ELF object\n");
	compile(large, "", 1, "a program of 1048577 bytes; at most 1048576 are possible\n");
	compile(in(bombs, "zeros15.o"), "--blob-megabytes 4", 1, "compiled, the program has more than the 4 MiB that are possible\n");
	unlink(large);
}

static void
check_limits(void)
{
	compile(in(bombs, "jumps4096.o"), "--cpu-seconds 1", 0,
		"compiled at -O1: at -O3, gcc needs more than its 1 seconds of CPU time\n");
	compile(in(bombs, "deep20000.o"), "--cpu-seconds 1 --fallback-cpu-seconds 1", 2,
		"too costly to compile: at -O3, gcc needs more than its 1 seconds of CPU time; at -O1, gcc needs more than its 1 seconds "
		"of CPU time\n");
	compile(in(bombs, "deep20000.o"), "--memory-megabytes 64 --cpu-seconds 10", 2,
		"too costly to compile: at -O3, gcc needs more than its 64 MiB of memory...");
	compile(in(bombs, "zeros15.o"), "--output-megabytes 8", 2,
		"too costly to compile: at -O3, gcc writes a file of more than its 8 MiB; at -O1, gcc writes a file of more than its 8 "
		"MiB\n");
	compile(in(bombs, "jumps4096.o"), "--cpu-seconds 30 --seconds 1", 2, "not compiled after 1 seconds\n");
}

/* --- what ends it from outside --- */

/* The process of this name that descends from `pid`, as soon as it is there. */
static pid_t
descendant(pid_t pid, const char *wanted)
{
	struct timespec pause = {.tv_nsec = 5000000};

	for (int tries = 0; tries < 4000; tries++) {
		DIR *all = opendir("/proc");
		struct dirent *entry;
		pid_t found = 0;

		while (found == 0 && (entry = readdir(all)) != NULL) {
			char path[300], name[64];
			int number = atoi(entry->d_name), parent = 0;

			/* The first that is in the process group of a child of `pid`. */
			snprintf(path, sizeof(path), "/proc/%d/stat", number);
			FILE *stat = number > 0 ? fopen(path, "r") : NULL;
			int group = 0;

			if (stat != NULL) {
				if (fscanf(stat, "%*d (%63[^)]) %*c %d %d", name, &parent, &group) == 3 && strcmp(name, wanted) == 0) {
					snprintf(path, sizeof(path), "/proc/%d/stat", group);
					FILE *leader = fopen(path, "r");

					if (leader != NULL && fscanf(leader, "%*d (%*63[^)]) %*c %d", &parent) == 1 && parent == pid) {
						found = number;
					}
					if (leader != NULL) {
						fclose(leader);
					}
				}
				fclose(stat);
			}
		}
		closedir(all);
		if (found != 0) {
			return found;
		}
		nanosleep(&pause, NULL);
	}
	CHECK(false, "no %s of process %d within 20 seconds", wanted, pid);
	return 0;
}

static void
check_ends(void)
{
	static const struct {
		const char *what, *name;	/* NULL: csd_compile itself */
		int number, status;
		const char *says;
	} ends[] = {
		{"the process that reads the program killed", "csd_compile", SIGKILL, 3,
		 "the compiling process was ended by signal 9 (Killed)\n"},
		{"cc1 killed", "cc1", SIGKILL, 3, "gcc failed: gcc: fatal error: Killed signal terminated program cc1\n"},
		{"gcc killed", "gcc", SIGKILL, 3, "gcc was ended by signal 9 (Killed)\n"},
		{"cc1 stopped", "cc1", SIGSTOP, 2, "not compiled after 3 seconds\n"},
		{"terminated", NULL, SIGTERM, 3, "stopped by signal 15 (Terminated)\n"},
		{"interrupted", NULL, SIGINT, 3, "stopped by signal 2 (Interrupt)\n"},
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		pid_t pid = start(in(bombs, "jumps4096.o"), ends[i].number == SIGSTOP ? "--seconds 3" : "--cpu-seconds 60");
		/* Once there is a cc1, all of them are there. */
		pid_t found = descendant(pid, "cc1");
		struct run run;

		if (ends[i].name != NULL) {
			found = descendant(pid, ends[i].name);
		}
		CHECK(kill(ends[i].name != NULL ? found : pid, ends[i].number) == 0, "%s: %s", ends[i].what, strerror(errno));
		run = finish(pid, ends[i].what);
		expect(ends[i].what, &run, ends[i].status, ends[i].says);
		expect_output(ends[i].what, false);
	}
}

/* Killed itself, it leaves its folder to who started it, and no process beyond gcc's limits. */
static void
check_killed(void)
{
	pid_t pid = start(in(bombs, "jumps4096.o"), "--cpu-seconds 2"), gone;
	char command[512];

	descendant(pid, "cc1");
	CHECK(kill(pid, SIGKILL) == 0, "killed: %s", strerror(errno));
	/* Orphans are this process's: all of them. */
	do {
		gone = waitpid(-1, NULL, 0);
	} while (gone > 0);
	CHECK(errno == ECHILD, "killed: %s", strerror(errno));
	alarm(0);
	snprintf(command, sizeof(command), "rm -r %s/csd_compile.*", room);
	CHECK(system(command) == 0, "%s", command);
	expect_nothing_left("killed");
}

/* --- no compiler --- */

static void
check_no_compiler(void)
{
	static const char *const tools[] = {"gcc", "as", "ld", "objcopy", "objdump", "addr2line"};
	char object[512], path[400], words[512], text[1024];

	snprintf(object, sizeof(object), "%s/top.bpf.o", programs);
	snprintf(path, sizeof(path), "%s/tools", folder);
	CHECK(mkdir(path, 0700) == 0, "%s: %s", path, strerror(errno));
	snprintf(words, sizeof(words), "--path %s", path);
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		char from[64];

		snprintf(text, sizeof(text), "no %s in %s: the package %s brings it\n", tools[i], path, i == 0 ? "gcc" : "binutils");
		compile(object, words, 3, text);
		snprintf(from, sizeof(from), "/usr/bin/%s", tools[i]);
		CHECK(symlink(from, in(path, tools[i])) == 0, "%s", tools[i]);
	}
	compile(object, words, 0, "");
	unlink(in(path, "gcc"));
	CHECK(symlink("/bin/false", in(path, "gcc")) == 0, "gcc");
	snprintf(text, sizeof(text), "gcc failed in %s (status 1)\n", path);
	compile(object, words, 3, text);
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		unlink(in(path, tools[i]));
	}
	rmdir(path);
}

/* Kernels that lack a layer. */
static void
check_layers(void)
{
	char object[512];
	struct file file;
	struct run run;

	snprintf(object, sizeof(object), "%s/top.bpf.o", programs);
	unknown_call = SYS_landlock_create_ruleset;
	compile(object, "", 0, "");
	run = finish(start("/dev/null", "--layers"), "--layers without Landlock");
	expect("--layers without Landlock", &run, 0, "");
	file = read_whole(result);
	CHECK(memmem(file.bytes, file.length, "; missing: files by Landlock (ABI 1 is needed, here is 0), ", 59) != NULL, "%.*s",
	      (int)file.length, file.bytes);
	free(file.bytes);
	unknown_call = SYS_seccomp;
	compile(object, "", 3, "calls cannot be closed off by seccomp: Operation not supported\n");
	unknown_call = SYS_close_range;
	compile(object, "", 3, "descriptors cannot be closed: Operation not supported\n");
	/* As a service may have it: no such call for those who have no capability, and folders that they may not search. */
	unknown_call = SYS_capset;
	umask(0117);
	compile(object, "", 0, "");
	umask(022);
	unknown_call = 0;
}

static void
check_tells(void)
{
	struct run run = finish(start("/dev/null", "--layers"), "--layers");
	struct file file;
	char *text;

	expect("--layers", &run, 0, "");
	file = read_whole(result);
	text = strndup((char *)file.bytes, file.length);
	CHECK(strncmp(text, "no_new_privs, no capabilities, descriptors closed, ", 51) == 0 && strstr(text, "calls by seccomp") != NULL,
	      "%s", text);
	printf("test_compile: %s", text);
	free(text);
	free(file.bytes);
	run = finish(start("/dev/null", "--identity"), "--identity");
	expect("--identity", &run, 0, "");
	file = read_whole(result);
	text = strndup((char *)file.bytes, file.length);
	CHECK(strncmp(text, "csd_compile ", 12) == 0 && strspn(text + 12, "0123456789abcdef") == 64 && strstr(text, "\ngcc ") != NULL &&
	      strstr(text, "\nGNU assembler ") != NULL && strstr(text, "\nflags -std=gnu11 ") != NULL, "%s", text);
	free(text);
	free(file.bytes);
}

int
main(int argc, char **argv)
{
	CHECK(argc == 5, "usage: test_compile BINARY FOLDER PROGRAMS BOMBS");
	binary = realpath(argv[1], NULL);
	folder = realpath(argv[2], NULL);
	programs = realpath(argv[3], NULL);
	bombs = realpath(argv[4], NULL);
	CHECK(binary != NULL && folder != NULL && programs != NULL && bombs != NULL && chdir(folder) == 0, "%s", strerror(errno));
	snprintf(room, sizeof(room), "%s/room", folder);
	snprintf(result, sizeof(result), "%s/result", folder);
	CHECK(mkdir(room, 0700) == 0, "%s: %s", room, strerror(errno));
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "orphans go elsewhere");
	signal(SIGALRM, hangs);
	umask(022);
	check_same();
	compile(in(programs, "top.bpf.o"), "--folder /no/such", 3, "/no/such: No such file or directory\n");
	check_names();
	check_usage();
	check_refusals();
	check_limits();
	check_ends();
	check_killed();
	check_no_compiler();
	check_layers();
	check_tells();
	printf("test_compile: passed\n");
	free((char *)binary);
	free((char *)folder);
	free((char *)programs);
	free((char *)bombs);
	return 0;
}
