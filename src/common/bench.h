/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What the translator's benches share: times, medians, arguments. A header, so that each bench is one file to compile. */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_REPEATS	1000

/* errno.h shows it to GNU sources alone. */
extern char *program_invocation_short_name;

struct samples {
	double seconds[MAX_REPEATS];
	uint32_t count;
};

static inline void __attribute__((noreturn, format(printf, 1, 2)))
bench_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

/* Of CPU, by this thread: what else runs takes caches and memory from it, but no time. */
static inline double
bench_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static inline int
bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline void
bench_sort(struct samples *samples)
{
	qsort(samples->seconds, samples->count, sizeof(double), bench_compare);
}

/* Of sorted samples. */
static inline double
bench_median(const struct samples *samples)
{
	return (samples->seconds[samples->count / 2] + samples->seconds[(samples->count - 1) / 2]) / 2;
}

/* From 1 to `most`. */
static inline uint64_t
bench_number(const char *what, const char *text, uint64_t most)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || number == 0 || number > most) {
		bench_fail("%s is %s; it is a number from 1 to %lu", what, text, most);
	}
	return number;
}

#endif
