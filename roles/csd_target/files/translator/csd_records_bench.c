/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The shipped record programs over the data set in memory, in slices as the target takes them: by today's engine, and
 * translated, by turns. Both must find the same. Times are the thread's CPU time. docs/engine.md says what came out.
 *
 *	csd_records_bench FOLDER-OF-OBJECTS FOLDER-OF-LIBRARIES [MEGABYTES [REPEATS]]
 */
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "csd_call.h"
#include "csd_engine.h"
#include "csd_native.h"
#include "csd_record.h"

#define SLICE_BYTES	(256 * 1024)

struct work {
	const char *program;
	const char *what;
	uint64_t cparam1;
};

struct found {
	uint64_t matches, emitted_bytes;
	uint8_t state[CSD_MAX_STATE_BYTES];
};

struct translated {
	void (*call)(struct csd_call *call);
	struct csd_parameters *parameters;
	void *state;
};

static const uint8_t *input;
static uint64_t input_bytes;
static uint8_t out[SLICE_BYTES];

static struct csd_instance *
bench_engine(const char *folder, const char *name)
{
	static uint8_t bytes[CSD_MAX_PROGRAM_BYTES];
	char path[512], reason[CSD_REASON_BYTES] = "no memory";
	struct csd_program *program;
	struct csd_instance *instance;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.bpf.o", folder, name);
	file = fopen(path, "rb");
	if (file == NULL) {
		bench_fail("%s: %s", path, strerror(errno));
	}
	if (csd_program_load(bytes, fread(bytes, 1, sizeof(bytes), file), NULL, &program, reason) != 0) {
		bench_fail("%s: %s", path, reason);
	}
	fclose(file);
	instance = csd_instance_create(program);
	if (instance == NULL || !csd_program_info(program)->jit) {
		bench_fail("%s: not compiled", path);
	}
	return instance;
}

static struct translated
bench_translated(const char *folder, const char *name)
{
	struct translated translated;
	char path[512];
	void *library;

	snprintf(path, sizeof(path), "%s/%s.so", folder, name);
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL || dlsym(library, "csd_0_call") == NULL) {
		bench_fail("%s; make csd_records_bench makes them", dlerror());
	}
	translated.call = (void (*)(struct csd_call *))dlsym(library, "csd_0_call");
	translated.parameters = dlsym(library, "csd_0_parameters");
	translated.state = dlsym(library, "csd_0_state");
	return translated;
}

static uint64_t
bench_slice(uint64_t at)
{
	return input_bytes - at < SLICE_BYTES ? input_bytes - at : SLICE_BYTES;
}

static void
bench_run_engine(struct csd_instance *instance, const struct work *work, uint32_t state_bytes, struct found *found)
{
	*found = (struct found) {0};
	csd_instance_begin(instance, &(struct csd_run_parameters) {.cparam1 = work->cparam1});
	for (uint64_t at = 0; at < input_bytes; at += SLICE_BYTES) {
		struct csd_slice slice = {
			.region = input + at, .region_bytes = bench_slice(at), .region_offset = at, .out = out, .out_bytes = sizeof(out),
			.last = at + SLICE_BYTES >= input_bytes,
		};

		csd_instance_run(instance, &slice);
		found->matches += slice.matches;
		found->emitted_bytes += slice.emitted_bytes;
	}
	memcpy(found->state, csd_instance_state(instance), state_bytes);
}

static void
bench_run_translated(const struct translated *translated, const struct work *work, uint32_t state_bytes, struct found *found)
{
	*found = (struct found) {0};
	memset(translated->parameters, 0, sizeof(*translated->parameters));
	translated->parameters->cparam1 = work->cparam1;
	if (state_bytes > 0) {
		memset(translated->state, 0, state_bytes);
	}
	for (uint64_t at = 0; at < input_bytes; at += SLICE_BYTES) {
		struct csd_call call = {
			.input = (uint64_t)(input + at), .input_bytes = bench_slice(at), .input_offset = at, .out = (uint64_t)out,
			.out_bytes = sizeof(out), .flags = at + SLICE_BYTES >= input_bytes ? CSD_CALL_LAST : 0,
		};

		translated->call(&call);
		found->matches += call.matches;
		found->emitted_bytes += call.emitted;
	}
	if (state_bytes > 0) {
		memcpy(found->state, translated->state, state_bytes);
	}
}

static void
bench_work(const char *objects, const char *libraries, const struct work *work, uint32_t repeats)
{
	struct csd_instance *instance = bench_engine(objects, work->program);
	struct translated translated = bench_translated(libraries, work->program);
	uint32_t state_bytes = csd_native_find(work->program)->state_bytes;
	static struct samples engine, ours;
	double scale = 1e9 / (input_bytes / CSD_RECORD_BYTES);

	for (uint32_t i = 0; i <= repeats; i++) {
		static struct found found, wanted;
		double start = bench_now(), middle;

		bench_run_engine(instance, work, state_bytes, &wanted);
		middle = bench_now();
		bench_run_translated(&translated, work, state_bytes, &found);
		engine.seconds[i > 0 ? engine.count++ : 0] = middle - start;	/* the first warms up */
		ours.seconds[i > 0 ? ours.count++ : 0] = bench_now() - middle;
		if (memcmp(&found, &wanted, sizeof(found)) != 0) {
			bench_fail("%s: %lu matches, the engine has %lu, or their bytes or state differ", work->program, found.matches,
				   wanted.matches);
		}
	}
	bench_sort(&engine);
	bench_sort(&ours);
	printf("%-10s %-24s %6.2f %6.2f %6.2f   %6.2f %6.2f %6.2f   %5.3f\n", work->program, work->what, ours.seconds[0] * scale,
	       bench_median(&ours) * scale, ours.seconds[ours.count - 1] * scale, engine.seconds[0] * scale,
	       bench_median(&engine) * scale, engine.seconds[engine.count - 1] * scale, bench_median(&engine) / bench_median(&ours));
	fflush(stdout);
	engine.count = ours.count = 0;
}

int
main(int argc, char **argv)
{
	static const struct work works[] = {
		{"aggregate", "of temperature", 0}, {"histogram", "bins of 4.096 degrees", CSD_HISTOGRAM(-40000, 12)},
		{"sample", "every 100th", 100}, {"top", "by temperature", 0}, {"threshold", "none", INT32_MAX},
		{"threshold", "all", (uint64_t)INT32_MIN},
	};
	uint64_t megabytes = argc > 3 ? bench_number("MEGABYTES", argv[3], 4096) : 256;
	uint32_t repeats = argc > 4 ? bench_number("REPEATS", argv[4], MAX_REPEATS) : 11;
	struct csd_dataset set;
	struct csd_record *records;

	if (argc < 3 || argc > 5) {
		bench_fail("usage: csd_records_bench FOLDER-OF-OBJECTS FOLDER-OF-LIBRARIES [MEGABYTES [REPEATS]]");
	}
	input_bytes = megabytes << 20;
	records = malloc(input_bytes);
	if (records == NULL) {
		bench_fail("%lu MiB of memory: %s", megabytes, strerror(errno));
	}
	csd_dataset_init(&set, input_bytes / CSD_RECORD_BYTES, 1);
	csd_dataset_fill(&set, 0, input_bytes / CSD_RECORD_BYTES, records);
	input = (const uint8_t *)records;
	printf("%lu MiB, %u repeats; ns a record of 64 bytes: least, median, most\n%-35s %20s   %20s   %5s\n", megabytes, repeats, "",
	       "translated", "today's engine", "ratio");
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		bench_work(argv[1], argv[2], &works[i], repeats);
	}
	free(records);
	return 0;
}
