/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * csd_compile: a program as clang made it, on stdin, to a blob (worker/csd_blob.h) on stdout; why not, on stderr.
 *
 * Two processes. This one has the folder, the clock and the output's name, and never looks at the program. It starts the
 * other, which is confined before it reads a byte, and which is ended together with all that it started: they share a
 * process group that none of them can leave. Orphans of it come to this process, which waits until there is none.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "csd_compile_confine.h"
#include "csd_compile_job.h"

#define TOOLS		"/usr/bin:/bin"
#define END_SECONDS	10	/* for processes that were killed to be gone */

enum mode {COMPILE, SHOW_LAYERS, SHOW_IDENTITY};

struct compile {
	struct compile_options options;
	enum mode mode;
	const char *input, *output;	/* NULL: stdin, stdout */
	mode_t mask;			/* of its starter */
	char folder[PATH_MAX];
	char written[PATH_MAX];		/* what becomes the output; empty: nothing */
};

static const char compile_usage[] =
	"usage: csd_compile [OPTIONS] PROGRAM.bpf.o -o PROGRAM.csd\n"
	"       csd_compile [OPTIONS] <PROGRAM.bpf.o >PROGRAM.csd\n"
	"       csd_compile --layers       what holds it and gcc here\n"
	"       csd_compile --identity     what a blob depends on besides its program\n"
	"  --cpu-seconds N            of gcc -O3 (10)\n"
	"  --fallback-cpu-seconds N   of gcc -O1 afterwards, and of each of binutils (10)\n"
	"  --seconds N                of everything, on the clock (60)\n"
	"  --memory-megabytes N       of each process (512)\n"
	"  --output-megabytes N       of each file that one writes (128)\n"
	"  --blob-megabytes N         of the result (104)\n"
	"  --folder FOLDER            where it makes a folder of its own ($TMPDIR, /tmp)\n"
	"  --path FOLDERS             where gcc and binutils lie (" TOOLS ")\n"
	"exit: 0 compiled, 1 the program is refused, 2 over a limit, 3 anything else\n";

static uint32_t
compile_number(const char *name, const char *text)
{
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || end == text || text[0] == '-' || number == 0 || number > 1000000) {
		fprintf(stderr, "--%s %s: a number from 1 to 1000000\n", name, text);
		exit(COMPILE_FAILED);
	}
	return number;
}

static void
compile_arguments(int argc, char **argv, struct compile *compile)
{
	struct compile_limits *limits = &compile->options.limits;
	enum {LAYERS = 1, IDENTITY, FOLDER, FOLDERS, NUMBERS};
	uint32_t *const numbers[] = {
		&limits->cpu_seconds, &limits->fallback_cpu_seconds, &limits->seconds, &limits->memory_megabytes,
		&limits->output_megabytes, &limits->blob_megabytes,
	};
	static const struct option names[] = {
		{"cpu-seconds", required_argument, NULL, NUMBERS},
		{"fallback-cpu-seconds", required_argument, NULL, NUMBERS + 1},
		{"seconds", required_argument, NULL, NUMBERS + 2},
		{"memory-megabytes", required_argument, NULL, NUMBERS + 3},
		{"output-megabytes", required_argument, NULL, NUMBERS + 4},
		{"blob-megabytes", required_argument, NULL, NUMBERS + 5},
		{"folder", required_argument, NULL, FOLDER},
		{"path", required_argument, NULL, FOLDERS},
		{"layers", no_argument, NULL, LAYERS},
		{"identity", no_argument, NULL, IDENTITY},
		{NULL, 0, NULL, 0},
	};
	const char *parent = getenv("TMPDIR");
	int option, which, length;

	*limits = (struct compile_limits) {
		.cpu_seconds = 10, .fallback_cpu_seconds = 10, .seconds = 60, .memory_megabytes = 512, .output_megabytes = 128,
		.blob_megabytes = 104,
	};
	compile->options.path = TOOLS;
	while ((option = getopt_long(argc, argv, "o:", names, &which)) != -1) {
		switch (option) {
		case 'o':
			compile->output = optarg;
			break;
		case FOLDER:
			parent = optarg;
			break;
		case FOLDERS:
			compile->options.path = optarg;
			break;
		case LAYERS:
			compile->mode = SHOW_LAYERS;
			break;
		case IDENTITY:
			compile->mode = SHOW_IDENTITY;
			break;
		case '?':
			fputs(compile_usage, stderr);
			exit(COMPILE_FAILED);
		default:
			*numbers[option - NUMBERS] = compile_number(names[which].name, optarg);
			break;
		}
	}
	compile->input = argv[optind];
	length = snprintf(compile->folder, sizeof(compile->folder), "%s/csd_compile.XXXXXX",
			  parent != NULL && parent[0] != '\0' ? parent : "/tmp");
	if (argc - optind > 1 || (compile->input != NULL) != (compile->output != NULL) || length >= PATH_MAX) {
		fputs(compile_usage, stderr);
		exit(COMPILE_FAILED);
	}
}

/* --- what is there before the other process is, and is put away behind it --- */

static enum compile_end
compile_say_errno(char reason[CSD_REASON_BYTES], const char *path)
{
	return compile_say(COMPILE_FAILED, reason, "%.200s: %s", path, strerror(errno));
}

/* `to` becomes another name of the file. */
static enum compile_end
compile_replace(int file, int to, const char *path, char reason[CSD_REASON_BYTES])
{
	if (file < 0 || (file != to && dup2(file, to) < 0)) {
		return compile_say_errno(reason, path);
	}
	if (file != to) {
		close(file);
	}
	return COMPILE_DONE;
}

/* The output appears under its name when it is whole. */
static enum compile_end
compile_open(struct compile *compile, char reason[CSD_REASON_BYTES])
{
	enum compile_end end;
	int file;

	if (compile->input == NULL) {
		return COMPILE_DONE;
	}
	end = compile_replace(open(compile->input, O_RDONLY), STDIN_FILENO, compile->input, reason);
	if (end != COMPILE_DONE) {
		return end;
	}
	if (snprintf(compile->written, PATH_MAX, "%s.XXXXXX", compile->output) >= PATH_MAX) {
		compile->written[0] = '\0';
		errno = ENAMETOOLONG;
		return compile_say_errno(reason, compile->output);
	}
	file = mkstemp(compile->written);
	if (file < 0) {
		compile->written[0] = '\0';
	} else if (fchmod(file, 0666 & ~compile->mask) != 0) {
		close(file);
		file = -1;
	}
	return compile_replace(file, STDOUT_FILENO, compile->output, reason);
}

static int
compile_remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	return remove(path);
}

static enum compile_end
compile_close(struct compile *compile, enum compile_end end, char reason[CSD_REASON_BYTES])
{
	if (nftw(compile->folder, compile_remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && end == COMPILE_DONE) {
		end = compile_say_errno(reason, compile->folder);
	}
	if (compile->written[0] != '\0') {
		if (end == COMPILE_DONE && rename(compile->written, compile->output) == 0) {
			return end;
		}
		if (end == COMPILE_DONE) {
			end = compile_say_errno(reason, compile->output);
		}
		unlink(compile->written);
	}
	return end;
}

/* --- the other process --- */

/* One line, and no byte that a terminal or a log would take for anything but text. */
static void
compile_print(char *reason)
{
	for (char *c = reason; *c != '\0'; c++) {
		*c = *c >= ' ' && *c <= '~' ? *c : '?';
	}
	if (reason[0] != '\0') {
		fprintf(stderr, "%s\n", reason);
	}
}

static void __attribute__((noreturn))
compile_inside(struct compile *compile)
{
	sigset_t none;
	struct csd_confined confined = {.landlock_abi = 0};
	char reason[CSD_REASON_BYTES] = "", words[512];
	enum compile_end end = COMPILE_DONE;

	/* Of itself and before the other one does it: whoever is first. Without this process's starter there is no work. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* None that its starter may have blocked either: gcc's limits are signals. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	clearenv();
	if (setenv("PATH", compile->options.path, 1) != 0 || chdir(compile->folder) != 0) {
		end = compile_say_errno(reason, compile->folder);
	}
	if (end == COMPILE_DONE) {
		end = compile_confine(".", &confined, reason);
	}
	if (end == COMPILE_DONE && compile->mode == SHOW_LAYERS) {
		csd_confine_words(&confined, words, sizeof(words));
		puts(words);
		end = fflush(stdout) == 0 ? end : compile_say_errno(reason, "stdout");
	} else if (end == COMPILE_DONE && compile->mode == SHOW_IDENTITY) {
		end = compile_identity(&compile->options, reason);
	} else if (end == COMPILE_DONE) {
		end = compile_job(&compile->options, reason);
	}
	compile_print(reason);
	_exit(end);
}

static struct timespec
compile_left(const struct timespec *deadline)
{
	struct timespec now, left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left.tv_sec = deadline->tv_sec - now.tv_sec;
	left.tv_nsec = deadline->tv_nsec - now.tv_nsec;
	if (left.tv_nsec < 0) {
		left.tv_sec--;
		left.tv_nsec += 1000000000;
	}
	return left.tv_sec < 0 ? (struct timespec) {0, 0} : left;
}

static struct timespec
compile_deadline(uint32_t seconds)
{
	struct timespec deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += seconds;
	return deadline;
}

/* How it ended by itself, or what ended the wait for it. */
static enum compile_end
compile_wait(pid_t pid, const struct compile *compile, const sigset_t *signals, char reason[CSD_REASON_BYTES])
{
	struct timespec deadline = compile_deadline(compile->options.limits.seconds);

	for (;;) {
		struct timespec left = compile_left(&deadline);
		int status, number;

		/* Not reaped: while it is there, its process group's number is nobody else's. */
		siginfo_t info = {.si_pid = 0};

		if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
			return compile_say_errno(reason, "waiting for the compiler");
		}
		status = info.si_status;
		if (info.si_pid == pid && info.si_code != CLD_EXITED) {
			return compile_say(COMPILE_FAILED, reason, "the compiling process was ended by signal %d (%s)", status,
					   strsignal(status));
		}
		if (info.si_pid == pid) {
			return status <= COMPILE_FAILED ? (enum compile_end)status :
			       compile_say(COMPILE_FAILED, reason, "the compiling process ended with status %d", status);
		}
		number = sigtimedwait(signals, NULL, &left);
		if (number < 0 && errno == EAGAIN) {
			return compile_say(COMPILE_OVER, reason, "not compiled after %u seconds", compile->options.limits.seconds);
		}
		if (number > 0 && number != SIGCHLD) {
			return compile_say(COMPILE_FAILED, reason, "stopped by signal %d (%s)", number, strsignal(number));
		}
	}
}

/* Ends the group, orphans of it included, and sees that all of them are gone. */
static bool
compile_end_all(pid_t group, const sigset_t *signals)
{
	struct timespec deadline = compile_deadline(END_SECONDS);

	kill(-group, SIGKILL);
	for (;;) {
		pid_t gone = waitpid(-1, NULL, WNOHANG);
		struct timespec left = compile_left(&deadline);

		if (gone < 0) {
			return errno == ECHILD;
		}
		if (gone == 0 && sigtimedwait(signals, NULL, &left) < 0 && errno == EAGAIN) {
			return false;
		}
	}
}

static enum compile_end
compile_supervise(struct compile *compile, char reason[CSD_REASON_BYTES])
{
	sigset_t signals, children;
	enum compile_end end;
	pid_t pid;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	signals = children;
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = fork();
	if (pid == 0) {
		compile_inside(compile);
	}
	if (pid < 0) {
		return compile_say(COMPILE_FAILED, reason, "no process to compile in: %s", strerror(errno));
	}
	setpgid(pid, pid);
	end = compile_wait(pid, compile, &signals, reason);
	if (!compile_end_all(pid, &children)) {
		end = compile_say(COMPILE_FAILED, reason, "processes of the compiler are left %d seconds after they were killed",
				  END_SECONDS);
	}
	return end;
}

int
main(int argc, char **argv)
{
	static struct compile compile;
	char reason[CSD_REASON_BYTES] = "";
	enum compile_end end;

	/* An ignored signal would be ignored by gcc too: a limit would be an error of writing. */
	signal(SIGXFSZ, SIG_DFL);
	signal(SIGXCPU, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	compile_arguments(argc, argv, &compile);
	/* A service's may forbid to search the folders that it makes. */
	compile.mask = umask(077);
	if (mkdtemp(compile.folder) == NULL) {
		*strrchr(compile.folder, '/') = '\0';
		compile_say_errno(reason, compile.folder);
		compile_print(reason);
		return COMPILE_FAILED;
	}
	end = compile_open(&compile, reason);
	if (end == COMPILE_DONE) {
		end = compile_supervise(&compile, reason);
	}
	end = compile_close(&compile, end, reason);
	compile_print(reason);
	return end;
}
