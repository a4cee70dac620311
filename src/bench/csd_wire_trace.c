/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE
#include "csd_wire_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS	10000
#define ANSWER_MS	5000
#define END_MS		2000

extern char **environ;

/* The first reason is the one that explains; what follows from it does not replace it. */
static bool __attribute__((format(printf, 2, 3)))
wire_trace_fails(struct csd_wire_trace *trace, const char *why, ...)
{
	va_list arguments;

	if (trace->why[0] == '\0') {
		va_start(arguments, why);
		vsnprintf(trace->why, sizeof(trace->why), why, arguments);
		va_end(arguments);
	}
	return false;
}

/* One line of its answer, in time. NULL: none came. The caller frees it. */
static char *
wire_trace_answer_line(struct csd_wire_trace *trace, int limit_ms)
{
	struct pollfd poll_fd = { .fd = fileno(trace->answer), .events = POLLIN };
	char *line = NULL;
	size_t room = 0;

	if (poll(&poll_fd, 1, limit_ms) != 1 || getline(&line, &room, trace->answer) < 0) {
		free(line);
		return NULL;
	}
	return line;
}

/* What it said on its standard error, which it has closed by ending: the line "found: ..." is the reason. */
static void
wire_trace_reason_from(struct csd_wire_trace *trace, int errors, const char *program)
{
	char text[1024];
	ssize_t got, have = 0;
	char *found, *end;

	while (have < (ssize_t)sizeof(text) - 1 &&
	       (got = read(errors, text + have, sizeof(text) - 1 - (size_t)have)) > 0) {
		have += got;
	}
	text[have] = '\0';
	found = strstr(text, "found: ");
	found = found != NULL ? found + strlen("found: ") : text;
	end = strchr(found, '\n');
	if (end != NULL) {
		*end = '\0';
	}
	wire_trace_fails(trace, "%s: %s", program, *found != '\0' ? found : "it did not come up");
}

static bool
wire_trace_spawn(struct csd_wire_trace *trace, char **words, const int ask[2], const int answer[2], const int errors[2])
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int rc;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ask[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, answer[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, errors[1], STDERR_FILENO);
	posix_spawnattr_init(&attributes);
	/* Of its own group: a Ctrl-C is for us, and we end it once we have read its last counters. */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	rc = posix_spawn(&trace->pid, words[0], &actions, &attributes, words, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	if (rc != 0) {
		trace->pid = 0;
		return wire_trace_fails(trace, "%s: %s", words[0], strerror(rc));
	}
	return true;
}

bool
csd_wire_trace_start(struct csd_wire_trace *trace, const char *program, const char *interface, const char *address,
		     const char *port)
{
	char *words[] = { (char *)program, "--json", "--snapshots", "--interface", (char *)interface, "--address",
			  (char *)address, "--port", (char *)port, NULL };
	int pipes[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	char *line = NULL;
	bool runs = true;
	int i;

	memset(trace, 0, sizeof(*trace));
	for (i = 0; i < 3 && runs; i++) {
		runs = pipe2(pipes[i], O_CLOEXEC) == 0 || wire_trace_fails(trace, "pipe: %s", strerror(errno));
	}
	runs = runs && wire_trace_spawn(trace, words, pipes[0], pipes[1], pipes[2]);
	close(pipes[0][0]);
	close(pipes[1][1]);
	close(pipes[2][1]);
	trace->ask = fdopen(pipes[0][1], "w");
	trace->answer = fdopen(pipes[1][0], "r");
	if (runs) {
		/* A write to a child that died is an error to tell of, and nothing to die of. */
		signal(SIGPIPE, SIG_IGN);
		line = wire_trace_answer_line(trace, START_MS);
		runs = line != NULL && strstr(line, "\"ready\"") != NULL;
		free(line);
		if (!runs) {
			kill(trace->pid, SIGTERM);
			wire_trace_reason_from(trace, pipes[2][0], program);
		}
	}
	close(pipes[2][0]);
	if (!runs) {
		csd_wire_trace_stop(trace);
	}
	return runs;
}

/* The number behind `key`, where that comes behind `section`. */
static bool
wire_trace_number(const char *line, const char *section, const char *key, uint64_t *value)
{
	const char *at = strstr(line, section);

	at = at != NULL ? strstr(at, key) : NULL;
	return at != NULL && sscanf(at + strlen(key), "%" SCNu64, value) == 1;
}

bool
csd_wire_trace_read(struct csd_wire_trace *trace, struct csd_wire_traced *traced)
{
	char *line = NULL;
	bool ok;

	if (trace->pid == 0) {
		return false;
	}
	ok = fputs("\n", trace->ask) >= 0 && fflush(trace->ask) == 0;
	line = ok ? wire_trace_answer_line(trace, ANSWER_MS) : NULL;
	ok = line != NULL && wire_trace_number(line, "\"to_target\": {", "\"bytes\": ", &traced->to_target) &&
	     wire_trace_number(line, "\"to_host\": {", "\"bytes\": ", &traced->to_host) &&
	     wire_trace_number(line, "\"not_parsed\": {", "\"bytes\": ", &traced->not_parsed);
	free(line);
	if (!ok) {
		wire_trace_fails(trace, "nvme_tcp_trace ended, or did not answer, in the middle of the run");
		csd_wire_trace_stop(trace);
	}
	return ok;
}

void
csd_wire_trace_stop(struct csd_wire_trace *trace)
{
	int waited_ms;

	if (trace->ask != NULL) {
		fclose(trace->ask);
	}
	if (trace->answer != NULL) {
		fclose(trace->answer);
	}
	trace->ask = NULL;
	trace->answer = NULL;
	if (trace->pid == 0) {
		return;
	}
	for (waited_ms = 0; waitpid(trace->pid, NULL, WNOHANG) == 0; waited_ms += 5) {
		if (waited_ms == END_MS) {
			kill(trace->pid, SIGKILL);
		}
		usleep(5000);
	}
	trace->pid = 0;
}
