/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE
#include "csd_bench_compile.h"

#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static double
bench_compile_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static double
bench_compile_seconds(struct timeval time)
{
	return time.tv_sec + time.tv_usec / 1e6;
}

/* csd_compile waits for all that it starts, so that its CPU time has theirs in it. */
void
csd_bench_compile(const char *compiler, const char *object, const char *blob, double *wall_seconds, double *cpu_seconds)
{
	char *words[] = {(char *)compiler, (char *)object, (char *)"-o", (char *)blob, NULL};
	double start = bench_compile_clock();
	struct rusage used;
	int status, rc;
	pid_t child;

	rc = posix_spawn(&child, compiler, NULL, NULL, words, environ);
	if (rc != 0) {
		bench_fail("%s: %s; --compiler says where csd_compile is", compiler, strerror(rc));
	}
	if (wait4(child, &status, 0, &used) != child) {
		bench_fail("%s: %s", compiler, strerror(errno));
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		bench_fail("%s makes no blob of %s", compiler, object);
	}
	*wall_seconds = bench_compile_clock() - start;
	*cpu_seconds = bench_compile_seconds(used.ru_utime) + bench_compile_seconds(used.ru_stime);
}
