/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Loops over memory: translated from eBPF, and the same source compiled natively, by turns, so that what disturbs the
 * machine disturbs both. Times are the thread's CPU time. docs/engine.md says what came out.
 *
 *	csd_translator_bench FOLDER [MEGABYTES [REPEATS]]
 */
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "data.h"
#include "run.h"

struct memory {
	uint8_t *numbers, *text, *out;
	uint64_t bytes;
};

static struct loop
translator_bench_open(const char *folder, const char *kind, const char *name)
{
	char path[512];
	struct loop loop;
	void *library;

	snprintf(path, sizeof(path), "%s/%s/%s.so", folder, kind, name);
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL || !loop_open(&loop, library, name, strcmp(kind, "native") == 0)) {
		bench_fail("%s; make csd_translator_bench makes them", dlerror());
	}
	return loop;
}

static uint64_t
translator_bench_run(const struct loop *loop, const uint8_t *data, const struct memory *memory, struct samples *samples)
{
	double start = bench_now();
	uint64_t result = loop_run(loop, data, memory->bytes, memory->out);

	samples->seconds[samples->count++] = bench_now() - start;
	return result;
}

/* How fast the translated one is, the native one being 1. */
static double
translator_bench_loop(const char *folder, const char *name, const struct memory *memory, uint32_t repeats)
{
	struct loop translated = translator_bench_open(folder, "v3", name);
	struct loop native = translator_bench_open(folder, "native", name);
	bool text = strcmp(name, "csv_column") == 0 || strcmp(name, "json_lines") == 0 || strcmp(name, "substring") == 0;
	const uint8_t *data = text ? memory->text : memory->numbers;
	static struct samples ours, theirs;
	double ratio;

	for (uint32_t i = 0; i <= repeats; i++) {
		uint64_t result = translator_bench_run(&translated, data, memory,
						       &ours),
						       wanted = translator_bench_run(&native, data, memory, &theirs);

		if (result != wanted) {
			bench_fail("%s: %#lx, natively %#lx", name, result, wanted);
		}
		if (i == 0) {		/* which warmed up */
			ours.count = theirs.count = 0;
		}
	}
	bench_sort(&ours);
	bench_sort(&theirs);
	ratio = bench_median(&theirs) / bench_median(&ours);
	printf("%-15s %7.2f %7.2f %7.2f   %7.2f %7.2f %7.2f   %5.3f\n", name, memory->bytes / 1e9 / ours.seconds[ours.count - 1],
	       memory->bytes / 1e9 / bench_median(&ours), memory->bytes / 1e9 / ours.seconds[0],
	       memory->bytes / 1e9 / theirs.seconds[theirs.count - 1], memory->bytes / 1e9 / bench_median(&theirs),
	       memory->bytes / 1e9 / theirs.seconds[0], ratio);
	fflush(stdout);
	return ratio;
}

int
main(int argc, char **argv)
{
	char loops[] = BENCH_LOOPS;
	uint64_t megabytes = argc > 2 ? bench_number("MEGABYTES", argv[2], 4096) : 4;
	uint32_t repeats = argc > 3 ? bench_number("REPEATS", argv[3], MAX_REPEATS - 1) : 21, count = 0;
	struct memory memory = {.bytes = megabytes << 20};
	double sum = 0, least = INFINITY;

	if (argc < 2 || argc > 4) {
		bench_fail("usage: csd_translator_bench FOLDER [MEGABYTES [REPEATS]]");
	}
	memory.numbers = malloc(memory.bytes);
	memory.text = malloc(memory.bytes);
	memory.out = calloc(memory.bytes, 1);
	if (memory.numbers == NULL || memory.text == NULL || memory.out == NULL) {
		bench_fail("3 times %lu MiB of memory: %s", megabytes, strerror(errno));
	}
	loop_fill(memory.numbers, memory.bytes, false);
	loop_fill(memory.text, memory.bytes, true);
	printf("%lu MiB, %u repeats; GB/s: least, median, most\ntranslated: %s\nnative: %s\n\n%-15s %23s   %23s   %5s\n", megabytes,
	       repeats, BENCH_TRANSLATED, BENCH_NATIVE, "", "translated", "native", "ratio");
	for (char *name = strtok(loops, " "); name != NULL; name = strtok(NULL, " ")) {
		double ratio = translator_bench_loop(argv[1], name, &memory, repeats);

		sum += log(ratio);
		least = ratio < least ? ratio : least;
		count++;
	}
	printf("\n%u loops: geometric mean %.3f of native, least %.3f\n", count, exp(sum / count), least);
	return 0;
}
