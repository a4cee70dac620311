/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What running a program costs, apart from everything around it: each shipped program over data in memory, as the machine
 * code that the drive makes of it and called as a worker calls it, by turns with the same source compiled natively, with
 * the plain C of csd_native.c, and with only reading the same memory. All ways must find the same. And what compiling it
 * costs. Runs are timed by the thread's CPU time, without what is done at the begin of a command. docs/benchmark.md describes
 * the output.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "csd_bench_code.h"
#include "csd_bench_compile.h"
#include "csd_bench_run.h"
#include "csd_json.h"
#include "csd_native.h"
#include "csd_record.h"

#define MOST_REPEATS	100
#define HUGEPAGE_BYTES	(2u << 20)
/* For buffer programs: what they do takes longer than reading, so fewer bytes are enough. */
#define LEAST_BUFFER	(256u << 10)
#define MOST_BUFFER	(8u << 20)
#define UNIT_BYTES	CSD_RECORD_BYTES
#define MOST_WORKS	32

enum way {
	WAY_DRIVE,
	WAY_NATIVE,
	WAY_REFERENCE,
	WAY_READ,
	WAYS,
};

static const char *const way_keys[WAYS] = {
	"ns_per_record", "native_ns_per_record", "reference_ns_per_record", "memory_read_ns_per_record",
};

/* A program with what it has to do. */
struct work {
	const char *program;
	const char *kind;
	const char *what;		/* the parameters, for people; NULL: none */
	const char *selectivity;	/* as a fraction; NULL: nothing is selected */
	struct job job;
};

struct measured {
	struct samples ways[WAYS];	/* of one way: none where it cannot be */
	struct samples speed;		/* the native run's seconds by the drive's, within one repeat */
	struct csd_bench_found found;
};

struct subject {
	const char *name;
	struct csd_bench_code drive, native;
	const struct csd_native *reference;	/* NULL: there is none */
	struct samples wall, cpu;		/* of compiling it, sorted */
	uint64_t code_bytes;
};

struct options {
	const char *folder, *natives, *compiler;
	const char *program;	/* NULL: all */
	uint64_t records, seed;
	uint32_t repeats, compiles;
	bool json;
	char beside[2][PATH_MAX];
};

/* The faster of two plain reads of memory on this machine; program_bench_measure_read() sets it. */
static double (*bench_read)(const uint8_t *bytes, uint64_t length);
static uint8_t *bench_out;
static char bench_blob[PATH_MAX];	/* empty: there is none */

static void
program_bench_put_away(void)
{
	if (bench_blob[0] != '\0') {
		unlink(bench_blob);
	}
}

static void *
program_bench_memory(uint64_t bytes)
{
	uint8_t *memory;

	bytes = (bytes + HUGEPAGE_BYTES - 1) / HUGEPAGE_BYTES * HUGEPAGE_BYTES;
	memory = mmap(NULL, bytes + HUGEPAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		bench_fail("%lu MiB of memory: %s; ask for fewer with --megabytes", bytes >> 20, strerror(errno));
	}
	memory = (uint8_t *)(((uintptr_t)memory + HUGEPAGE_BYTES - 1) / HUGEPAGE_BYTES * HUGEPAGE_BYTES);
	madvise(memory, bytes, MADV_HUGEPAGE);	/* where it cannot, small pages do, more slowly */
	memset(memory, 0, bytes);
	return memory;
}

/* --- a program --- */

static void
program_bench_compile(const struct options *options, struct subject *subject)
{
	char object[PATH_MAX];

	/* As the drive gets it; else as it is for any. */
	snprintf(object, sizeof(object), "%s/workers/%s.bpf.o", options->folder, subject->name);
	if (access(object, R_OK) != 0) {
		snprintf(object, sizeof(object), "%s/%s.bpf.o", options->folder, subject->name);
	}
	if (access(object, R_OK) != 0) {
		bench_fail("%s: %s; give the folder in which the compiled programs are", object, strerror(errno));
	}
	for (uint32_t i = 0; i < options->compiles; i++) {
		csd_bench_compile(options->compiler, object, bench_blob, &subject->wall.seconds[i], &subject->cpu.seconds[i]);
	}
	subject->wall.count = subject->cpu.count = options->compiles;
	bench_sort(&subject->wall);
	bench_sort(&subject->cpu);
}

static void
program_bench_open(const struct options *options, const char *name, struct subject *subject)
{
	char library[PATH_MAX];

	memset(subject, 0, sizeof(*subject));
	subject->name = name;
	subject->reference = csd_native_find(name);
	program_bench_compile(options, subject);
	csd_bench_blob_open(bench_blob, &subject->drive);
	subject->code_bytes = subject->drive.first - (const uint8_t *)subject->drive.code;
	snprintf(library, sizeof(library), "%s/%s.so", options->natives, name);
	csd_bench_library_open(library, &subject->native);
	/* Of the blob it is only known where its state begins. */
	if (subject->native.state_bytes > CSD_MAX_STATE_BYTES ||
	    (subject->native.state_bytes > 0 && (subject->drive.state == NULL ||
	     subject->native.state_bytes > (uint64_t)(subject->drive.data + subject->drive.data_bytes - subject->drive.state)))) {
		bench_fail("%s: natively its state has %lu bytes; the drive's has not", name, subject->native.state_bytes);
	}
}

static void
program_bench_close(struct subject *subject)
{
	csd_bench_library_close(&subject->native);
	csd_bench_blob_close(&subject->drive);
}

/* Seconds; below 0: this program cannot be run so. */
static double
program_bench_run(enum way way, const struct subject *subject, const struct job *job, bool digest,
		  struct csd_bench_found *found)
{
	switch (way) {
	case WAY_DRIVE:
		return csd_bench_run(&subject->drive, subject->native.state_bytes, job, bench_out, digest, found);
	case WAY_NATIVE:
		return csd_bench_run(&subject->native, subject->native.state_bytes, job, bench_out, digest, found);
	case WAY_REFERENCE:
		return subject->reference == NULL ? -1 : csd_bench_reference(subject->reference, job, bench_out, digest, found);
	default:
		return bench_read(job->input, job->bytes);
	}
}

static void
program_bench_same(const struct work *work, enum way way, const struct csd_bench_found *found,
		   const struct csd_bench_found *wanted)
{
	if (memcmp(found, wanted, sizeof(*found)) != 0) {
		bench_fail("%s (%s): %s: %lu matches in %lu bytes; the drive's code has %lu in %lu, or bytes or state differ",
			   work->program, work->what != NULL ? work->what : "", way_keys[way], found->matches, found->emitted_bytes,
			   wanted->matches, wanted->emitted_bytes);
	}
}

/* Once for the digest, which also warms up; then by turns, so that what disturbs the machine disturbs all alike. */
static void
program_bench_measure(const struct options *options, const struct subject *subject, const struct work *work,
		      struct measured *measured)
{
	struct csd_bench_found wanted, found;

	memset(measured, 0, sizeof(*measured));
	program_bench_run(WAY_DRIVE, subject, &work->job, true, &measured->found);
	for (enum way way = WAY_NATIVE; way < WAY_READ; way++) {
		if (program_bench_run(way, subject, &work->job, true, &found) >= 0) {
			program_bench_same(work, way, &found, &measured->found);
		}
	}
	wanted = measured->found;
	wanted.digest = 0;
	for (uint32_t i = 0; i < options->repeats; i++) {
		for (enum way way = 0; way < WAYS; way++) {
			double seconds = program_bench_run(way, subject, &work->job, false, &found);

			if (seconds >= 0 && way != WAY_READ) {
				program_bench_same(work, way, &found, &wanted);
			}
			if (seconds >= 0) {
				measured->ways[way].seconds[measured->ways[way].count++] = seconds;
			}
		}
		measured->speed.seconds[measured->speed.count++] =
			measured->ways[WAY_NATIVE].seconds[i] / measured->ways[WAY_DRIVE].seconds[i];
	}
	for (enum way way = 0; way < WAYS; way++) {
		bench_sort(&measured->ways[way]);
	}
	bench_sort(&measured->speed);
}

/* --- output --- */

static void
program_bench_write_number(struct csd_json *json, const char *key, double value, const char *format)
{
	char text[32];

	snprintf(text, sizeof(text), format, value);
	csd_json_raw(json, key, text);
}

static void
program_bench_write_spread(struct csd_json *json, const char *key, double least, double middle, double most,
			   const char *format)
{
	csd_json_object(json, key);
	program_bench_write_number(json, "min", least, format);
	program_bench_write_number(json, "median", middle, format);
	program_bench_write_number(json, "max", most, format);
	csd_json_object_end(json);
}

static void
program_bench_write_samples(struct csd_json *json, const char *key, const struct samples *samples, double scale,
			    const char *format)
{
	if (samples->count == 0) {
		csd_json_raw(json, key, "null");
		return;
	}
	program_bench_write_spread(json, key, samples->seconds[0] * scale, bench_median(samples) * scale,
				   samples->seconds[samples->count - 1] * scale, format);
}

/* So many bytes in each of these times. */
static void
program_bench_write_rate(struct csd_json *json, const char *key, const struct samples *samples, double bytes)
{
	program_bench_write_spread(json, key, bytes / samples->seconds[samples->count - 1],
				   bytes / bench_median(samples), bytes / samples->seconds[0], "%.0f");
}

static void
program_bench_write_measured(struct csd_json *json, const struct work *work, const struct measured *measured)
{
	const struct samples *drive = &measured->ways[WAY_DRIVE];

	csd_json_object(json, NULL);
	csd_json_string(json, "program", work->program);
	csd_json_string(json, "kind", work->kind);
	csd_json_string(json, "parameters", work->what != NULL ? work->what : "");
	csd_json_string(json, "engine", "worker");
	csd_json_raw(json, "selectivity", work->selectivity != NULL ? work->selectivity : "null");
	csd_json_u64(json, "bytes", work->job.bytes);
	csd_json_u64(json, "matches", measured->found.matches);
	csd_json_u64(json, "emitted_bytes", measured->found.emitted_bytes);
	for (enum way way = 0; way < WAYS; way++) {
		program_bench_write_samples(json, way_keys[way], &measured->ways[way],
					    1e9 * UNIT_BYTES / work->job.bytes, "%.4f");
	}
	program_bench_write_rate(json, "bytes_per_s", drive, work->job.bytes);
	program_bench_write_rate(json, "native_bytes_per_s", &measured->ways[WAY_NATIVE], work->job.bytes);
	program_bench_write_samples(json, "speed_of_native", &measured->speed, 1, "%.4f");
	program_bench_write_number(json, "scanned_bytes_per_s", work->job.bytes / bench_median(drive), "%.0f");
	csd_json_object_end(json);
}

static void
program_bench_write_compiled(struct csd_json *json, const struct subject *subjects, uint32_t count)
{
	csd_json_array(json, "compile");
	for (uint32_t i = 0; i < count; i++) {
		csd_json_object(json, NULL);
		csd_json_string(json, "program", subjects[i].name);
		csd_json_u64(json, "code_bytes", subjects[i].code_bytes);
		program_bench_write_samples(json, "wall_seconds", &subjects[i].wall, 1, "%.6f");
		program_bench_write_samples(json, "cpu_seconds", &subjects[i].cpu, 1, "%.6f");
		csd_json_object_end(json);
	}
	csd_json_array_end(json);
}

static void
program_bench_print(const struct subject *subject, const struct work *work, const struct measured *measured)
{
	printf("%-13s %-34s %9lu", work->program, work->what != NULL ? work->what : "", measured->found.matches);
	for (enum way way = 0; way < WAYS; way++) {
		if (measured->ways[way].count > 0) {
			printf(" %8.2f", bench_median(&measured->ways[way]) * 1e9 * UNIT_BYTES / work->job.bytes);
		} else {
			printf(" %8s", "-");
		}
	}
	printf("  %7.2f  %5.3f %5.3f %5.3f  %6.3f %6.3f\n", work->job.bytes / bench_median(&measured->ways[WAY_DRIVE]) / 1e9,
	       measured->speed.seconds[0], bench_median(&measured->speed), measured->speed.seconds[measured->speed.count - 1],
	       bench_median(&subject->wall), bench_median(&subject->cpu));
	fflush(stdout);
}

/* --- what there is to do --- */

static const char *
program_bench_measure_read(const struct options *options, const struct job *job, struct samples *read)
{
	static struct samples words, lines;

	for (uint32_t i = 0; i < options->repeats; i++) {
		words.seconds[words.count++] = csd_bench_read_words(job->input, job->bytes);
		lines.seconds[lines.count++] = csd_bench_read_lines(job->input, job->bytes);
	}
	bench_sort(&words);
	bench_sort(&lines);
	if (bench_median(&words) <= bench_median(&lines)) {
		bench_read = csd_bench_read_words;
		*read = words;
		return "every word summed, 8 sums";
	}
	bench_read = csd_bench_read_lines;
	*read = lines;
	return "one word of each 64 bytes summed, 4 sums";
}

static uint32_t
program_bench_record_works(const struct options *options, const struct csd_record *records, struct work *works)
{
	static char thresholds[CSD_SELECTIVITIES][64];
	const struct job over = {.input = (const uint8_t *)records, .bytes = options->records * CSD_RECORD_BYTES};
	uint32_t count = 0;
	struct work fixed[] = {
		{.program = "search", .what = "16 bytes, of one record",
		 .job = {.data = &records[options->records / 2].payload[1], .data_bytes = 16}},
		{.program = "search", .what = "2 bytes, in every record",
		 .job = {.data = (const uint8_t *)&records[0].timestamp + 6, .data_bytes = 2}},
		{.program = "aggregate", .what = "of temperature"},
		{.program = "histogram", .what = "from -40 degrees, bins of 4.096", .job = {.cparam1 = CSD_HISTOGRAM(-40000, 12)}},
		{.program = "sample", .what = "every 100th", .selectivity = "0.01", .job = {.cparam1 = 100}},
		{.program = "top", .what = "by temperature"},
	};

	for (; count < sizeof(fixed) / sizeof(fixed[0]); count++) {
		works[count] = fixed[count];
	}
	for (uint32_t i = 0; i < CSD_SELECTIVITIES; i++) {
		snprintf(thresholds[i], sizeof(thresholds[i]), "temperature >= %d", csd_selectivities[i].threshold);
		works[count++] = (struct work) {
			.program = "threshold", .what = thresholds[i], .selectivity = csd_selectivities[i].name,
			.job = {.cparam1 = (uint64_t)(int64_t)csd_selectivities[i].threshold},
		};
	}
	for (uint32_t i = 0; i < count; i++) {
		works[i].kind = "csd/record";
		works[i].job.input = over.input;
		works[i].job.bytes = over.bytes;
	}
	return count;
}

/* Those of programs/buffer; some of them are of kind csd/record. Their input is made when it is their turn. */
static uint32_t
program_bench_buffer_works(struct work *works)
{
	static char names[] = BENCH_BUFFERS;
	uint32_t count = 0;

	for (char *name = strtok(names, " "); name != NULL; name = strtok(NULL, " ")) {
		bool record = strstr(" " BENCH_RECORDS " ", name) != NULL;

		works[count++] = (struct work) {.program = name, .kind = record ? "csd/record" : "csd/buffer"};
	}
	return count;
}

static bool
program_bench_wants(const struct options *options, const struct work *work)
{
	return options->program == NULL || strcmp(options->program, work->program) == 0;
}

/* --- arguments --- */

static const char bench_usage[] =
	"usage: csd_program_bench [OPTIONS] FOLDER\n"
	"FOLDER holds the compiled programs, NAME.bpf.o, in its folder workers or there.\n"
	"  --megabytes N       of the data set, for record programs (256); others go through a 16th, 8 at most\n"
	"  --records N         instead of it\n"
	"  --seed N            of the data set (1)\n"
	"  --repeats N         of each way (5)\n"
	"  --compiles N        of each program (3)\n"
	"  --program NAME      only this one\n"
	"  --natives FOLDER    the same programs compiled natively, NAME.so (FOLDER/native)\n"
	"  --compiler FILE     csd_compile (beside this program)\n"
	"  --json              for programs\n";

static void
program_bench_beside(char *path, const char *name)
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (length < 0) {
		bench_fail("/proc/self/exe: %s; give --compiler", strerror(errno));
	}
	path[length] = '\0';
	snprintf(strrchr(path, '/') + 1, PATH_MAX - (strrchr(path, '/') + 1 - path), "%s", name);
}

static void
program_bench_parse(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"json", no_argument, NULL, 'j'}, {"records", required_argument, NULL, 'n'},
		{"megabytes", required_argument, NULL, 'm'}, {"seed", required_argument, NULL, 's'},
		{"repeats", required_argument, NULL, 'r'}, {"compiles", required_argument, NULL, 'c'},
		{"program", required_argument, NULL, 'p'}, {"natives", required_argument, NULL, 'N'},
		{"compiler", required_argument, NULL, 'C'}, {"help", no_argument, NULL, 'h'}, {0},
	};
	int c;

	*options = (struct options) {.records = 256 << 14, .seed = 1, .repeats = 5, .compiles = 3};
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'j':
			options->json = true;
			break;
		case 'n':
			options->records = bench_number("--records", optarg, CSD_MAX_RECORDS);
			break;
		case 'm':
			options->records = bench_number("--megabytes", optarg, 65536) << 14;
			break;
		case 's':
			options->seed = bench_number("--seed", optarg, UINT64_MAX);
			break;
		case 'r':
			options->repeats = bench_number("--repeats", optarg, MOST_REPEATS);
			break;
		case 'c':
			options->compiles = bench_number("--compiles", optarg, MOST_REPEATS);
			break;
		case 'p':
			options->program = optarg;
			break;
		case 'N':
			options->natives = optarg;
			break;
		case 'C':
			options->compiler = optarg;
			break;
		default:
			fputs(bench_usage, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (optind + 1 != argc) {
		bench_fail("needs one argument, the folder in which the compiled programs are; --help says more");
	}
	if (options->records < 1024) {
		bench_fail("--records is %lu; it is at least 1024", options->records);
	}
	options->folder = argv[optind];
	if (options->natives == NULL) {
		snprintf(options->beside[0], PATH_MAX, "%s/native", options->folder);
		options->natives = options->beside[0];
	}
	if (options->compiler == NULL) {
		program_bench_beside(options->beside[1], "csd_compile");
		options->compiler = options->beside[1];
	}
}

int
main(int argc, char **argv)
{
	static struct subject subjects[MOST_WORKS];
	static struct work works[MOST_WORKS];
	static struct measured measured;
	static struct options options;
	static struct samples read;
	uint64_t bytes, buffer_bytes;
	uint32_t count, fixed, opened = 0;
	struct csd_record *records;
	struct csd_dataset set;
	struct csd_json json;
	uint8_t *buffer;
	const char *how;
	int file;

	program_bench_parse(argc, argv, &options);
	bytes = options.records * CSD_RECORD_BYTES;
	buffer_bytes = bytes / 16 / 4096 * 4096;
	buffer_bytes = buffer_bytes < LEAST_BUFFER ? LEAST_BUFFER : buffer_bytes > MOST_BUFFER ? MOST_BUFFER : buffer_bytes;
	records = program_bench_memory(bytes);
	buffer = program_bench_memory(buffer_bytes);
	bench_out = program_bench_memory(CSD_BENCH_OUT);
	csd_dataset_init(&set, options.records, options.seed);
	csd_dataset_fill(&set, 0, options.records, records);
	fixed = program_bench_record_works(&options, records, works);
	count = fixed + program_bench_buffer_works(works + fixed);
	snprintf(bench_blob, sizeof(bench_blob), "%s/csd_program_bench.XXXXXX",
		 getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	file = mkstemp(bench_blob);
	if (file < 0) {
		bench_fail("%s: %s", bench_blob, strerror(errno));
	}
	close(file);
	atexit(program_bench_put_away);
	how = program_bench_measure_read(&options, &works[0].job, &read);
	if (options.json) {
		csd_json_init(&json, stdout);
		csd_json_object(&json, NULL);
		csd_json_u64(&json, "seed", options.seed);
		csd_json_u64(&json, "repeats", options.repeats);
		csd_json_u64(&json, "part_bytes", CSD_BENCH_PART);
		csd_json_string(&json, "native_flags", BENCH_NATIVE);
		csd_json_string(&json, "drive_flags", BENCH_DRIVE);
		program_bench_write_rate(&json, "memory_read_bytes_per_s", &read, bytes);
		csd_json_string(&json, "memory_read", how);
		csd_json_array(&json, "engine");
	} else {
		printf("%lu MiB; plain read: %.1f GB/s (%s); medians of %u\n\n%-58s %35s  %7s  %17s  %13s\n", bytes >> 20,
		       bytes / bench_median(&read) / 1e9, how, options.repeats, "", "ns for each 64 bytes", "GB/s",
		       "speed of native", "to compile, s");
		printf("%-13s %-34s %9s %8s %8s %8s %8s  %7s  %5s %5s %5s  %6s %6s\n", "program", "parameters", "matches",
		       "drive", "native", "plain C", "read", "drive", "least", "med.", "most", "clock", "CPU");
	}
	for (uint32_t i = 0; i < count; i++) {
		struct work *work = &works[i];

		if (!program_bench_wants(&options, work)) {
			continue;
		}
		if (i >= fixed && !job_make(work->program, buffer_bytes, buffer, &work->job)) {
			bench_fail("%s has nothing to do: jobs.c", work->program);
		}
		if (i == 0 || strcmp(works[i - 1].program, work->program) != 0) {
			program_bench_open(&options, work->program, &subjects[opened++]);
		}
		program_bench_measure(&options, &subjects[opened - 1], work, &measured);
		if (options.json) {
			program_bench_write_measured(&json, work, &measured);
		} else {
			program_bench_print(&subjects[opened - 1], work, &measured);
		}
		if (i + 1 == count || strcmp(works[i + 1].program, work->program) != 0) {
			program_bench_close(&subjects[opened - 1]);
		}
	}
	if (opened == 0) {
		bench_fail("--program is %s; it is one of the shipped ones", options.program);
	}
	if (options.json) {
		csd_json_array_end(&json);
		program_bench_write_compiled(&json, subjects, opened);
		csd_json_object_end(&json);
		csd_json_finish(&json);
	}
	return 0;
}
