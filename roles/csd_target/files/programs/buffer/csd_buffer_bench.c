/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The programs, translated, and the same source compiled natively, by turns, so that what disturbs the machine disturbs both.
 * The input goes through in parts of 256 KiB, as a drive reads it. Times are the thread's CPU time. docs/engine.md says what
 * came out.
 *
 *	csd_buffer_bench FOLDER [MEGABYTES [REPEATS [NAME...]]]
 */
#include <math.h>

#include "bench.h"
#include "jobs.h"
#include "load.h"

#define PART_BYTES	(256 * 1024)
#define ROOM		(16 * 1024 * 1024)

struct run {
	double seconds;
	uint64_t emitted;
	uint8_t state[16];	/* of each: the error and a count */
};

static void
bench_run(const char *folder, const char *way, const char *name, const struct job *job, uint8_t *out, struct run *run)
{
	struct loaded loaded = load(folder, way, name, job);
	struct csd_call_range range = {(uint64_t)job->range, job->range_bytes};
	uint64_t at = 0;
	double start = bench_now();

	run->emitted = 0;
	for (bool done = false; !done;) {
		uint64_t left = job->bytes - at, bytes = left < PART_BYTES ? left : PART_BYTES;
		struct csd_call call = {
			.input = (uint64_t)job->input + at, .input_bytes = bytes, .input_offset = at, .out = (uint64_t)out,
			.out_bytes = ROOM, .flags = (at == 0 ? CSD_CALL_FIRST : 0) | (bytes == left ? CSD_CALL_LAST : 0),
			.data = (uint64_t)job->data, .data_bytes = job->data_bytes, .ranges = (uint64_t)&range,
			.range_count = job->range != NULL,
		};

		loaded.call(&call);
		if (call.end == CSD_CALL_USED && call.consumed == 0 && bytes < left) {
			bench_fail("%s, %s: nothing of %lu bytes at %lu was used", name, way, bytes, at);
		}
		at += call.consumed;
		run->emitted += call.emitted;
		done = call.end == CSD_CALL_STOPPED || (call.end == CSD_CALL_USED && bytes == left);
	}
	run->seconds = bench_now() - start;
	memcpy(run->state, loaded.state, sizeof(run->state));
	dlclose(loaded.library);
}

static double
bench_program(const char *folder, const char *name, const struct job *job, uint8_t *out, uint32_t repeats)
{
	static struct samples ours, theirs;
	static struct run translated, native;
	double ratio;

	ours.count = theirs.count = 0;
	for (uint32_t i = 0; i <= repeats; i++) {
		bench_run(folder, "v3", name, job, out, &translated);
		bench_run(folder, "native", name, job, out, &native);
		if (translated.emitted != native.emitted || memcmp(translated.state, native.state, sizeof(native.state)) != 0 ||
		    translated.state[0] != 0) {
			bench_fail("%s: natively it gives something else, or error %u", name, translated.state[0]);
		}
		if (i > 0) {		/* the first warmed up */
			ours.seconds[ours.count++] = translated.seconds;
			theirs.seconds[theirs.count++] = native.seconds;
		}
	}
	bench_sort(&ours);
	bench_sort(&theirs);
	ratio = bench_median(&theirs) / bench_median(&ours);
	printf("%-14s %6.2f %6.2f %6.2f   %6.2f %6.2f %6.2f   %5.2f   %8.3f\n", name, job->bytes / 1e9 / ours.seconds[ours.count - 1],
	       job->bytes / 1e9 / bench_median(&ours), job->bytes / 1e9 / ours.seconds[0],
	       job->bytes / 1e9 / theirs.seconds[theirs.count - 1], job->bytes / 1e9 / bench_median(&theirs),
	       job->bytes / 1e9 / theirs.seconds[0], ratio, (double)translated.emitted / job->bytes);
	fflush(stdout);
	return ratio;
}

int
main(int argc, char **argv)
{
	char all[] = BENCH_PROGRAMS;
	uint64_t megabytes = argc > 2 ? bench_number("MEGABYTES", argv[2], 1024) : 8;
	uint32_t repeats = argc > 3 ? bench_number("REPEATS", argv[3], MAX_REPEATS - 1) : 15, count = 0;
	uint8_t *input = malloc(megabytes << 20), *out = calloc(ROOM, 1);
	double sum = 0, least = INFINITY;

	if (argc < 2) {
		bench_fail("usage: csd_buffer_bench FOLDER [MEGABYTES [REPEATS [NAME...]]]");
	}
	if (input == NULL || out == NULL) {
		bench_fail("%lu MiB of memory: %s", megabytes, strerror(errno));
	}
	printf("%lu MiB, %u repeats; GB/s of input: least, median, most; ratio of medians; bytes out for one in\ntranslated: %s\n"
	       "native: %s\n\n%-14s %20s   %20s   %5s   %8s\n", megabytes, repeats, BENCH_TRANSLATED, BENCH_NATIVE, "", "translated",
	       "native", "ratio", "out");
	for (char *name = strtok(all, " "); name != NULL; name = strtok(NULL, " ")) {
		bool wanted = argc < 5;
		struct job job;
		double ratio;

		for (int i = 4; i < argc; i++) {
			wanted |= strcmp(argv[i], name) == 0;
		}
		if (!wanted) {
			continue;
		}
		if (!job_make(name, megabytes << 20, input, &job)) {
			bench_fail("%s has nothing to do: tests/jobs.c", name);
		}
		ratio = bench_program(argv[1], name, &job, out, repeats);
		sum += log(ratio);
		least = ratio < least ? ratio : least;
		count++;
	}
	printf("\n%u programs: geometric mean %.3f of native, least %.3f\n", count, exp(sum / count), least);
	return 0;
}
