/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What running a program costs, apart from everything around it: each shipped program over the data set in memory, by
 * the engine, by its own source compiled natively in the engine's loop, by its plain C reference, and beside a plain
 * read of the same memory. All ways must find the same. docs/programs.md describes the output.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "csd_json.h"
#include "csd_record.h"
#include "csd_ways.h"

#define MAX_REPEATS	100
#define SLICE_BYTES	(256 * 1024)
#define OUT_BYTES	(9 * SLICE_BYTES)	/* search: 8 bytes for each byte of a slice and its overlap */
#define HUGEPAGE_BYTES	(2 * 1024 * 1024)

enum way {
	WAY_JIT,
	WAY_INTERPRETER,
	WAY_NATIVE,
	WAY_INLINED,
	WAY_REFERENCE,
	WAY_READ,
	WAYS,
};

static const char *const way_keys[WAYS] = {
	"ns_per_record", "interpreter_ns_per_record", "native_ns_per_record", "inlined_ns_per_record",
	"reference_ns_per_record", "memory_read_ns_per_record",
};

struct samples {
	double values[MAX_REPEATS];
	unsigned int count;
};

/* A program with parameters. */
struct work {
	const char *program;
	const char *what;		/* the parameters, for people */
	const char *selectivity;	/* as a fraction; NULL: nothing is selected */
	struct csd_run_parameters parameters;
};

struct loaded {
	struct csd_program *program;
	struct csd_instance *instance;
	const struct csd_program_info *info;
};

struct measured {
	struct loaded compiled, interpreted;
	struct samples load, instance;		/* seconds */
	struct samples ways[WAYS];		/* ns for each 64 bytes of input */
	struct csd_outcome outcome;
};

/* The faster of two plain reads of memory on this machine; set by measure_read(). */
static uint64_t (*plain_read)(const struct csd_input *input);

struct options {
	const char *folder;
	const char *program;	/* NULL: all */
	uint64_t records;
	uint64_t seed;
	unsigned int repeats;
	bool json;
};

static void __attribute__((noreturn, format(printf, 1, 2)))
fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("csd_engine_bench: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

/* Of CPU, by this thread: what else runs on the machine takes caches and memory from it, but no time. */
static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void
add_sample(struct samples *samples, double value)
{
	samples->values[samples->count++] = value;
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
sort_samples(struct samples *samples)
{
	qsort(samples->values, samples->count, sizeof(samples->values[0]), compare_doubles);
}

/* Of sorted samples. */
static double
median(const struct samples *samples)
{
	unsigned int middle = samples->count / 2;

	return samples->count % 2 == 1 ? samples->values[middle] :
	       (samples->values[middle - 1] + samples->values[middle]) / 2;
}

static void *
map_memory(uint64_t bytes)
{
	uint8_t *memory;

	bytes = (bytes + HUGEPAGE_BYTES - 1) / HUGEPAGE_BYTES * HUGEPAGE_BYTES;
	memory = mmap(NULL, bytes + HUGEPAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		fail("%lu MiB of memory: %s; ask for fewer with --megabytes", bytes >> 20, strerror(errno));
	}
	memory = (uint8_t *)(((uintptr_t)memory + HUGEPAGE_BYTES - 1) / HUGEPAGE_BYTES * HUGEPAGE_BYTES);
	madvise(memory, bytes, MADV_HUGEPAGE);	/* where it cannot, small pages do, more slowly */
	memset(memory, 0, bytes);
	return memory;
}

static void *
read_program(const char *folder, const char *name, size_t *length)
{
	char path[4096];
	FILE *file;
	void *bytes = malloc(CSD_MAX_PROGRAM_BYTES);

	snprintf(path, sizeof(path), "%s/%s.bpf.o", folder, name);
	file = fopen(path, "rb");
	if (file == NULL || bytes == NULL) {
		fail("%s: %s; give the folder in which the compiled programs are", path, strerror(errno));
	}
	*length = fread(bytes, 1, CSD_MAX_PROGRAM_BYTES, file);
	fclose(file);
	return bytes;
}

static void
unload(struct loaded *loaded)
{
	csd_instance_destroy(loaded->instance);
	csd_program_unload(loaded->program);
}

/* Verify and compile: the load proves the program with an instance of its own, so the second one is timed apart. */
static struct loaded
load(const char *name, const void *bytes, size_t length, bool interpret, struct measured *measured)
{
	const struct csd_load_options options = {.interpret = interpret};
	struct csd_instance *first;
	char reason[CSD_REASON_BYTES];
	struct loaded loaded;
	double start = seconds_now();

	if (csd_program_load(bytes, length, &options, &loaded.program, reason) != 0) {
		fail("%s: refused: %s", name, reason);
	}
	if (!interpret) {
		add_sample(&measured->load, seconds_now() - start);
	}
	first = csd_instance_create(loaded.program);
	start = seconds_now();
	loaded.instance = csd_instance_create(loaded.program);
	if (!interpret) {
		add_sample(&measured->instance, seconds_now() - start);
	}
	if (first == NULL || loaded.instance == NULL) {
		fail("%s: no memory", name);
	}
	csd_instance_destroy(first);
	loaded.info = csd_program_info(loaded.program);
	return loaded;
}

static void
load_all(const struct options *options, const char *name, struct measured *measured)
{
	size_t length;
	void *bytes = read_program(options->folder, name, &length);

	for (unsigned int i = 0; i < options->repeats; i++) {
		if (i > 0) {
			unload(&measured->compiled);
		}
		measured->compiled = load(name, bytes, length, false, measured);
	}
	measured->interpreted = load(name, bytes, length, true, measured);
	free(bytes);
}

/* false: this program cannot be run so. */
static bool
run(enum way way, const struct work *work, const struct measured *measured, const struct csd_input *input, bool digest,
    struct csd_outcome *outcome)
{
	const struct csd_control *control = csd_control_find(work->program);
	const struct csd_native *native = csd_native_find(work->program);

	switch (way) {
	case WAY_JIT:
		if (!measured->compiled.info->jit) {
			return false;
		}
		csd_way_engine(measured->compiled.instance, native->state_bytes, &work->parameters, input, digest, outcome);
		return true;
	case WAY_INTERPRETER:
		csd_way_engine(measured->interpreted.instance, native->state_bytes, &work->parameters, input, digest, outcome);
		return true;
	case WAY_INLINED:
		if (control->geometry->flags & CSD_POSITIONS) {
			return false;
		}
	/* fall through */
	case WAY_NATIVE:
		csd_way_control(control, way == WAY_INLINED, &work->parameters, input, digest, outcome);
		return true;
	case WAY_REFERENCE:
		csd_way_reference(native, &work->parameters, input, digest, outcome);
		return true;
	default:
		(void)plain_read(input);
		return true;
	}
}

/* Once for the digest, which also warms up; then by turns, so that what disturbs the machine disturbs all alike. */
static void
measure(const struct options *options, const struct work *work, const struct csd_input *input,
	struct measured *measured)
{
	const uint64_t units = input->length / CSD_RECORD_BYTES;

	memset(measured, 0, sizeof(*measured));
	load_all(options, work->program, measured);
	run(WAY_REFERENCE, work, measured, input, true, &measured->outcome);
	for (enum way way = 0; way < WAY_READ; way++) {
		struct csd_outcome outcome;

		if (run(way, work, measured, input, true, &outcome) &&
		    memcmp(&outcome, &measured->outcome, sizeof(outcome)) != 0) {
			fail("%s (%s): %s: %lu matches, the reference has %lu, or their bytes or state differ", work->program,
			     work->what, way_keys[way], outcome.matches, measured->outcome.matches);
		}
	}
	for (unsigned int i = 0; i < options->repeats; i++) {
		for (enum way way = 0; way < WAYS; way++) {
			struct csd_outcome outcome;
			double start = seconds_now();

			if (run(way, work, measured, input, false, &outcome)) {
				add_sample(&measured->ways[way], (seconds_now() - start) * 1e9 / units);
			}
		}
	}
	for (enum way way = 0; way < WAYS; way++) {
		sort_samples(&measured->ways[way]);
	}
	sort_samples(&measured->load);
	sort_samples(&measured->instance);
}

static void
write_number(struct csd_json *json, const char *key, double value, const char *format)
{
	char text[32];

	snprintf(text, sizeof(text), format, value);
	csd_json_raw(json, key, text);
}

static void
write_samples(struct csd_json *json, const char *key, const struct samples *samples, const char *format)
{
	if (samples->count == 0) {
		csd_json_raw(json, key, "null");
		return;
	}
	csd_json_object(json, key);
	write_number(json, "min", samples->values[0], format);
	write_number(json, "median", median(samples), format);
	write_number(json, "max", samples->values[samples->count - 1], format);
	csd_json_object_end(json);
}

static void
write_measured(struct csd_json *json, const struct work *work, const struct csd_input *input,
	       const struct measured *measured)
{
	const struct csd_program_info *info = measured->compiled.info;
	const struct samples *best = &measured->ways[info->jit ? WAY_JIT : WAY_INTERPRETER];

	csd_json_object(json, NULL);
	csd_json_string(json, "program", work->program);
	csd_json_string(json, "parameters", work->what);
	csd_json_string(json, "engine", info->engine);
	csd_json_raw(json, "selectivity", work->selectivity != NULL ? work->selectivity : "null");
	csd_json_u64(json, "records", input->length / CSD_RECORD_BYTES);
	csd_json_u64(json, "bytes", input->length);
	csd_json_u64(json, "matches", measured->outcome.matches);
	csd_json_u64(json, "emitted_bytes", measured->outcome.emitted_bytes);
	csd_json_u64(json, "instructions", info->instructions);
	csd_json_u64(json, "jit_bytes", info->jit_bytes);
	for (enum way way = 0; way < WAYS; way++) {
		write_samples(json, way_keys[way], &measured->ways[way], "%.4f");
	}
	write_number(json, "scanned_bytes_per_s", CSD_RECORD_BYTES / median(best) * 1e9, "%.0f");
	write_number(json, "execute_seconds", median(best) * (input->length / CSD_RECORD_BYTES) / 1e9, "%.9f");
	write_number(json, "load_seconds", median(&measured->load), "%.9f");
	write_number(json, "instance_seconds", median(&measured->instance), "%.9f");
	csd_json_object_end(json);
}

static void
print_measured(const struct work *work, const struct measured *measured)
{
	printf("%-10s %-34s %9lu", work->program, work->what, measured->outcome.matches);
	for (enum way way = 0; way < WAYS; way++) {
		if (measured->ways[way].count > 0) {
			printf(" %8.2f", median(&measured->ways[way]));
		} else {
			printf(" %8s", "-");
		}
	}
	printf("  %6.0f %6.0f\n", median(&measured->load) * 1e6, median(&measured->instance) * 1e6);
	fflush(stdout);
}

/* The plain read; bytes each second. */
static struct samples
measure_read(const struct options *options, const struct csd_input *input, const char **how)
{
	struct samples words = {.count = 0}, lines = {.count = 0};

	for (unsigned int i = 0; i < options->repeats; i++) {
		double start = seconds_now(), middle;

		(void)csd_way_read_words(input);
		middle = seconds_now();
		(void)csd_way_read_lines(input);
		add_sample(&words, input->length / (middle - start));
		add_sample(&lines, input->length / (seconds_now() - middle));
	}
	sort_samples(&words);
	sort_samples(&lines);
	if (median(&words) >= median(&lines)) {
		*how = "every word summed, 8 sums";
		plain_read = csd_way_read_words;
		return words;
	}
	*how = "one word of each 64 bytes summed, 4 sums";
	plain_read = csd_way_read_lines;
	return lines;
}

static uint64_t
number(const char *name, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < least || value > most) {
		fail("--%s is %s; it is a number from %lu to %lu", name, text, least, most);
	}
	return value;
}

static struct options
parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"json", no_argument, NULL, 'j'}, {"records", required_argument, NULL, 'n'},
		{"megabytes", required_argument, NULL, 'm'}, {"seed", required_argument, NULL, 's'},
		{"repeats", required_argument, NULL, 'r'}, {"program", required_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'}, {0},
	};
	struct options options = {.records = 256 << 14, .seed = 1, .repeats = 5};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'j':
			options.json = true;
			break;
		case 'n':
			options.records = number("records", optarg, 1024, CSD_MAX_RECORDS);
			break;
		case 'm':
			options.records = number("megabytes", optarg, 1, 65536) << 14;
			break;
		case 's':
			options.seed = number("seed", optarg, 0, UINT64_MAX);
			break;
		case 'r':
			options.repeats = number("repeats", optarg, 1, MAX_REPEATS);
			break;
		case 'p':
			options.program = optarg;
			break;
		default:
			fprintf(c == 'h' ? stdout : stderr,
				"csd_engine_bench [--records N | --megabytes N] [--seed N] [--repeats N] [--program NAME] [--json] "
				"FOLDER\n"
				"FOLDER holds the compiled programs, NAME.bpf.o. 256 MiB of the data set with seed 1, 5 repeats "
				"unless said.\n");
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (optind + 1 != argc) {
		fail("needs one argument, the folder in which the compiled programs are; --help says more");
	}
	if (options.program != NULL && csd_native_find(options.program) == NULL) {
		fail("--program is %s; it is one of the shipped ones", options.program);
	}
	options.folder = argv[optind];
	return options;
}

int
main(int argc, char **argv)
{
	const struct options options = parse(argc, argv);
	const uint64_t bytes = options.records * CSD_RECORD_BYTES;
	struct csd_input input = {.length = bytes, .slice_bytes = SLICE_BYTES, .out_bytes = OUT_BYTES};
	static char thresholds[CSD_SELECTIVITIES][64];
	static struct measured measured;
	struct csd_record *records = map_memory(bytes);
	struct csd_dataset set;
	struct csd_json json;
	struct samples read;
	const char *how;

	csd_dataset_init(&set, options.records, options.seed);
	csd_dataset_fill(&set, 0, options.records, records);
	input.bytes = (const uint8_t *)records;
	input.out = map_memory(input.out_bytes);

	struct work works[CSD_SELECTIVITIES + 7] = {
		{"search", "16 bytes, of one record", NULL,
		 {.data = &records[options.records / 2].payload[1], .data_bytes = 16}},
		{"search", "2 bytes, in every record", NULL, {.data = (const uint8_t *)&records[0].timestamp + 6, .data_bytes = 2}},
		{"aggregate", "of temperature", NULL, {.cparam1 = 0}},
		{"histogram", "from -40 degrees, bins of 4.096", NULL, {.cparam1 = CSD_HISTOGRAM(-40000, 12)}},
		{"sample", "every 100th", "0.01", {.cparam1 = 100}},
		{"top", "by temperature", NULL, {.cparam1 = 0}},
	};
	unsigned int count = 6;

	for (unsigned int i = 0; i < CSD_SELECTIVITIES; i++) {
		snprintf(thresholds[i], sizeof(thresholds[i]), "temperature >= %d", csd_selectivities[i].threshold);
		works[count++] = (struct work) {
			"threshold", thresholds[i], csd_selectivities[i].name,
			{.cparam1 = (int64_t)csd_selectivities[i].threshold},
		};
	}
	read = measure_read(&options, &input, &how);
	if (options.json) {
		csd_json_init(&json, stdout);
		csd_json_object(&json, NULL);
		csd_json_u64(&json, "seed", options.seed);
		csd_json_u64(&json, "repeats", options.repeats);
		csd_json_u64(&json, "slice_bytes", SLICE_BYTES);
		csd_json_string(&json, "native_flags", CSD_NATIVE_FLAGS);
		write_samples(&json, "memory_read_bytes_per_s", &read, "%.0f");
		csd_json_string(&json, "memory_read", how);
		csd_json_array(&json, "engine");
	} else {
		printf("%lu MiB; plain read: %.1f GB/s (%s); medians of %u\n\n", bytes >> 20, median(&read) / 1e9, how, options.repeats);
		printf("%-45s %9s %53s  %13s\n", "", "", "ns for each 64 bytes", "us");
		printf("%-10s %-34s %9s %8s %8s %8s %8s %8s %8s  %6s %6s\n", "program", "parameters", "matches", "jit", "interp",
		       "native", "inlined", "plain C", "read", "load", "inst.");
	}
	for (unsigned int i = 0; i < count; i++) {
		if (options.program != NULL && strcmp(options.program, works[i].program) != 0) {
			continue;
		}
		measure(&options, &works[i], &input, &measured);
		if (options.json) {
			write_measured(&json, &works[i], &input, &measured);
		} else {
			print_measured(&works[i], &measured);
		}
		unload(&measured.compiled);
		unload(&measured.interpreted);
	}
	if (options.json) {
		csd_json_array_end(&json);
		csd_json_object_end(&json);
		csd_json_finish(&json);
	}
	return 0;
}
