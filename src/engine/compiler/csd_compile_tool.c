/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "csd_compile_tool.h"

#define SAID		"said"		/* file: what a tool says on stderr */
#define SAID_BYTES	4096		/* of it that are read */
#define DESCRIPTORS	64

enum compile_end
compile_say(enum compile_end end, char reason[CSD_REASON_BYTES], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, CSD_REASON_BYTES, format, arguments);
	va_end(arguments);
	return end;
}

char *
compile_read_file(const char *path, size_t most, size_t *length)
{
	int file = open(path, O_RDONLY | O_CLOEXEC), error = 0;
	struct stat status;
	char *bytes = NULL;
	ssize_t got = 0;

	if (file < 0) {
		return NULL;
	}
	if (fstat(file, &status) != 0) {
		error = errno;
	} else if ((uint64_t)status.st_size > most) {
		error = EFBIG;
	} else {
		bytes = malloc((size_t)status.st_size + 1);
		error = bytes == NULL ? ENOMEM : 0;
	}
	for (*length = 0; error == 0 && *length < (size_t)status.st_size; *length += got) {
		got = read(file, bytes + *length, (size_t)status.st_size - *length);
		if (got <= 0) {
			error = got == 0 ? EIO : errno;
			got = 0;
		}
	}
	close(file);
	if (error != 0) {
		free(bytes);
		errno = error;
		return NULL;
	}
	bytes[*length] = '\0';
	return bytes;
}

/* Which is the folder of `path` that has it; false: none. */
static bool
compile_tool_find(const char *path, const char *tool)
{
	char *folders = strdup(path), *rest = folders, *folder, name[512];
	bool found = false;

	while (folders != NULL && !found && (folder = strsep(&rest, ":")) != NULL) {
		found = snprintf(name, sizeof(name), "%s/%s", folder, tool) < (int)sizeof(name) && access(name, X_OK) == 0;
	}
	free(folders);
	return found;
}

enum compile_end
compile_find_tools(const struct compile_options *options, char reason[CSD_REASON_BYTES])
{
	static const struct {
		const char *name, *package;
	} tools[] = {{"gcc", "gcc"}, {"as", "binutils"}, {"ld", "binutils"}, {"objcopy", "binutils"}, {"objdump", "binutils"},
		     {"addr2line", "binutils"}};

	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		if (!compile_tool_find(options->path, tools[i].name)) {
			return compile_say(COMPILE_FAILED, reason, "no %s in %s: the package %s brings it", tools[i].name,
					   options->path, tools[i].package);
		}
	}
	return COMPILE_DONE;
}

static void
compile_tool_limit(int resource, rlim_t soft, rlim_t hard)
{
	const struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};

	if (setrlimit(resource, &limit) != 0) {
		_exit(126);
	}
}

/* In the tool's process, which has no way to say what went wrong but its status. */
static void __attribute__((noreturn))
compile_tool_become(const struct compile_options *options, uint32_t cpu_seconds, const char *const argv[],
		    const char *out)
{
	int said = open(SAID, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int file = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (said < 0 || file < 0 || dup2(file, STDOUT_FILENO) < 0 || dup2(said, STDERR_FILENO) < 0) {
		_exit(126);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	compile_tool_limit(RLIMIT_CORE, 0, 0);
	compile_tool_limit(RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS);
	compile_tool_limit(RLIMIT_AS, (rlim_t)options->limits.memory_megabytes << 20,
			   (rlim_t)options->limits.memory_megabytes << 20);
	compile_tool_limit(RLIMIT_FSIZE, (rlim_t)options->limits.output_megabytes << 20,
			   (rlim_t)options->limits.output_megabytes << 20);
	/* SIGXCPU first, of which gcc tells; a second later SIGKILL. */
	compile_tool_limit(RLIMIT_CPU, cpu_seconds, (rlim_t)cpu_seconds + 1);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

/*
 * gcc is several processes, of which it says itself how they ended, in the C locale's words: it has no other environment.
 * A stack that is full is an address space that is full, or the end of what a compiler's recursion may take.
 */
static const struct {
	const char *words;
	const char *limit;
} compile_signs[] = {
	{"CPU time limit exceeded", "CPU"},
	{"out of memory", "memory"},
	{"memory exhausted", "memory"},
	{"Cannot allocate memory", "memory"},
	{"Segmentation fault", "stack"},
	{"File size limit exceeded", "file"},
	{"File too large", "file"},
	{"file too big", "file"},
};

/* NULL: it met none. */
static const char *
compile_tool_limit_met(int status, const struct rusage *usage, uint32_t cpu_seconds, const char *said)
{
	int64_t used = (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000LL + usage->ru_utime.tv_usec +
		       usage->ru_stime.tv_usec;

	/* Of all its processes together; but it failed, and this is the likeliest why. */
	if (used >= cpu_seconds * 1000000LL) {
		return "CPU";
	}
	if (WIFSIGNALED(status)) {
		return WTERMSIG(status) == SIGXCPU ? "CPU" : WTERMSIG(status) == SIGXFSZ ? "file" :
		       WTERMSIG(status) == SIGSEGV ? "stack" : NULL;
	}
	for (size_t i = 0; i < sizeof(compile_signs) / sizeof(compile_signs[0]); i++) {
		if (strstr(said, compile_signs[i].words) != NULL) {
			return compile_signs[i].limit;
		}
	}
	return NULL;
}

static enum compile_end
compile_tool_say_over(const struct compile_limits *limits, uint32_t cpu_seconds, const char *tool, const char *limit,
		      char reason[CSD_REASON_BYTES])
{
	if (strcmp(limit, "CPU") == 0) {
		return compile_say(COMPILE_OVER, reason, "%s needs more than its %u seconds of CPU time", tool, cpu_seconds);
	}
	if (strcmp(limit, "file") == 0) {
		return compile_say(COMPILE_OVER, reason, "%s writes a file of more than its %u MiB", tool, limits->output_megabytes);
	}
	return compile_say(COMPILE_OVER, reason, "%s needs more than its %u MiB of memory%s", tool, limits->memory_megabytes,
			   strcmp(limit, "stack") == 0 ? ", or than its stack" : "");
}

/* Of what a tool says: its first line that is neither a warning nor says in which function the next one is. */
static const char *
compile_tool_first_error(char *said)
{
	char *rest = said, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		size_t length = strlen(line);

		if (length > 0 && line[length - 1] != ':' && strstr(line, "warning:") == NULL) {
			return line;
		}
	}
	return "it says no error";
}

static enum compile_end
compile_tool_judge(const struct compile_options *options, uint32_t cpu_seconds, const char *tool, int status,
		   const struct rusage *usage, char reason[CSD_REASON_BYTES])
{
	int file = open(SAID, O_RDONLY | O_CLOEXEC);
	char said[SAID_BYTES + 1] = "";
	ssize_t got = file < 0 ? 0 : read(file, said, SAID_BYTES);
	const char *limit;

	if (file >= 0) {
		close(file);
	}
	said[got > 0 ? got : 0] = '\0';
	limit = compile_tool_limit_met(status, usage, cpu_seconds, said);
	if (limit != NULL) {
		return compile_tool_say_over(&options->limits, cpu_seconds, tool, limit, reason);
	}
	if (WIFSIGNALED(status)) {
		return compile_say(COMPILE_FAILED, reason, "%s was ended by signal %d (%s)", tool, WTERMSIG(status),
				   strsignal(WTERMSIG(status)));
	}
	if (said[0] == '\0') {
		return compile_say(COMPILE_FAILED, reason, WEXITSTATUS(status) == 127 ? "%s cannot be run in %s (status %d)" :
				   "%s failed in %s (status %d)", tool, options->path, WEXITSTATUS(status));
	}
	return compile_say(COMPILE_FAILED, reason, "%s failed: %.180s", tool, compile_tool_first_error(said));
}

enum compile_end
compile_run(const struct compile_options *options, uint32_t cpu_seconds, const char *const argv[], const char *out,
	    char reason[CSD_REASON_BYTES])
{
	pid_t pid = fork();
	struct rusage usage;
	int status;

	if (pid == 0) {
		compile_tool_become(options, cpu_seconds, argv, out);
	}
	if (pid < 0) {
		return compile_say(COMPILE_FAILED, reason, "no process for %s: %s", argv[0], strerror(errno));
	}
	/* Ends at the latest when this process is ended: csd_compile.c has the clock. */
	while (wait4(pid, &status, 0, &usage) < 0) {
		if (errno != EINTR) {
			return compile_say(COMPILE_FAILED, reason, "%s cannot be waited for: %s", argv[0], strerror(errno));
		}
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? COMPILE_DONE :
	       compile_tool_judge(options, cpu_seconds, argv[0], status, &usage, reason);
}
