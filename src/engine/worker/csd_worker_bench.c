/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What it costs to run a program in a process of its own: the same machine code over the same bytes, called here, and by a
 * worker that spins, or sleeps, on another CPU, by turns. Times are of the clock. And what the target's looks at its workers
 * cost it while they are started: its thread's CPU time. docs/workers.md says what came out.
 *
 *	csd_worker_bench FOLDER PROGRAM.csd [CPU-OF-TARGET CPU-OF-WORKER [REPEATS]]
 */
#define _GNU_SOURCE
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "csd_now.h"
#include "csd_bpf.h"
#include "csd_call.h"
#include "csd_executor.h"

#define SMALL_BYTES	4096
#define WINDOW_BYTES	(256 * 1024)
#define WINDOWS		1024		/* of a long run: 256 MiB, over and over the same four */
#define JOBS		2000		/* small ones, of a repeat */
#define TIMEOUT_NS	10000000000ULL
/* As csd_tgt has them. */
#define TARGET_WINDOW	((1 << 20) + 8192)
#define TARGET_OUTPUT	(256 << 10)
#define OWNERS		200
#define LONG_NS		100000

struct bench {
	struct csd_background *background;
	struct csd_executor *executor;
	uint64_t longest_look;		/* ns of CPU time */
	uint64_t looks, long_looks;
	struct csd_blob_header header;
	struct csd_memory *blob;
	uint8_t *window, *output;	/* of the call that is made here */
};

static int
worker_bench_cpu(const char *text)
{
	return strcmp(text, "0") == 0 ? 0 : (int)bench_number("a CPU", text, CPU_SETSIZE - 1);
}

static void
worker_bench_pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
		bench_fail("CPU %d: %s", cpu, strerror(errno));
	}
}

static void
worker_bench_read_blob(struct bench *bench, const char *path)
{
	static uint8_t bytes[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t length;

	if (file == NULL) {
		bench_fail("%s: %s", path, strerror(errno));
	}
	length = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	if (csd_blob_check(bytes, length, &bench->header) != 0 || bench->header.parameters == 0 ||
	    csd_memory_create_from("program", bytes, length, &bench->blob) != 0) {
		bench_fail("%s is no program's blob", path);
	}
}

/* The program in this process, where a worker would have it. */
static void
worker_bench_map_blob(struct bench *bench)
{
	const struct csd_blob_header *header = &bench->header;
	void *code = mmap((void *)CSD_BLOB_CODE, header->code_bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE,
			  bench->blob->fd, 0);
	void *data = mmap((void *)CSD_BLOB_DATA, header->data_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (code == MAP_FAILED || data == MAP_FAILED) {
		bench_fail("the program cannot be mapped: %s", strerror(errno));
	}
	bench->window = aligned_alloc(4096, 4 * WINDOW_BYTES);
	bench->output = aligned_alloc(4096, WINDOW_BYTES);
	if (bench->window == NULL || bench->output == NULL) {
		bench_fail("no memory");
	}
}

static void
worker_bench_fill(uint8_t *bytes, uint64_t length)
{
	uint64_t number = 1;

	for (uint64_t i = 0; i + 8 <= length; i += 8) {
		number = number * 6364136223846793005ULL + 1442695040888963407ULL;
		memcpy(bytes + i, &number, 8);
	}
}

/* As a worker begins a run. */
static void
worker_bench_begin(const struct bench *bench)
{
	struct csd_parameters *parameters = (struct csd_parameters *)bench->header.parameters;

	memcpy((void *)CSD_BLOB_DATA, (const uint8_t *)CSD_BLOB_CODE + bench->header.code_bytes, bench->header.data_given);
	memset((uint8_t *)CSD_BLOB_DATA + bench->header.data_given, 0, bench->header.data_bytes - bench->header.data_given);
	parameters->cparam1 = 1U << 31;
}

static uint64_t
worker_bench_here(const struct bench *bench, uint32_t parts, uint64_t bytes, bool each_begins)
{
	void (*entry)(struct csd_call *) = (void (*)(struct csd_call *))bench->header.entry;
	uint64_t records = 0;

	for (uint32_t i = 0; i < parts; i++) {
		struct csd_call call = {
			.input = (uint64_t)bench->window + (i % 4) * bytes, .input_bytes = bytes, .input_offset = i * bytes,
			.out = (uint64_t)bench->output, .out_bytes = WINDOW_BYTES, .flags = i + 1 == parts ? CSD_CALL_LAST : 0,
		};

		if (i == 0 || each_begins) {
			worker_bench_begin(bench);
		}
		entry(&call);
		records += call.records;
	}
	return records;
}

/* `depth` parts at a time. Gives the CPU away while nothing came, if it has to be shared. */
static uint64_t
worker_bench_there(struct csd_worker *worker, uint32_t parts, uint64_t bytes, uint32_t depth, bool each_begins,
		   bool shared)
{
	uint64_t records = 0, deadline = csd_now() + TIMEOUT_NS;
	uint32_t asked = 0, done = 0;

	while (done < parts) {
		struct csd_ring_answer answer;

		if (asked < parts && asked - done < depth) {
			struct csd_ring_request request = {
				.flags = (asked == 0 || each_begins ? CSD_CALL_FIRST : 0) | (asked + 1 == parts ? CSD_CALL_LAST : 0),
				.input_offset = asked * bytes, .input = {worker->window_number, (asked % 4) * bytes, bytes},
				.output = {worker->output_number, 0, WINDOW_BYTES}, .cparam1 = 1U << 31,
			};

			asked += csd_worker_ask(worker, &request);
		}
		if (csd_worker_answer(worker, UINT64_MAX, &answer)) {
			records += answer.records;
			done++;
		} else if (shared) {
			sched_yield();
		}
		if (worker->state != CSD_WORKER_BUSY || csd_now() > deadline) {
			bench_fail("the worker ended: %d, signal %u", worker->end, worker->fault.signal);
		}
	}
	return records;
}

static uint64_t
worker_bench_cpu_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void
worker_bench_look(struct bench *bench)
{
	uint64_t before = worker_bench_cpu_time(), took;
	struct csd_spawner_link dead;

	if (csd_executor_poll(bench->executor, &dead) != 0) {
		bench_fail("the spawner has ended");
	}
	took = worker_bench_cpu_time() - before;
	bench->longest_look = took > bench->longest_look ? took : bench->longest_look;
	bench->long_looks += took > LONG_NS;
	bench->looks++;
}

static struct csd_worker *
worker_bench_take(struct bench *bench, struct csd_pool *pool, uint64_t owner)
{
	uint64_t deadline = csd_now() + TIMEOUT_NS;
	struct csd_worker *worker;

	while ((worker = csd_pool_take(pool, owner)) == NULL) {
		worker_bench_look(bench);
		if (csd_now() > deadline) {
			bench_fail("no worker is ready");
		}
	}
	return worker;
}

struct way {
	const char *name;
	uint32_t parts;
	uint64_t bytes;
	uint32_t depth;
	bool each_begins;
};

static void
worker_bench_way(struct bench *bench, struct csd_worker *worker, const struct way *way, uint32_t repeats, bool shared)
{
	static struct samples here, there;
	double scale = way->each_begins ? 1e6 / way->parts : 1;

	here.count = there.count = 0;
	for (uint32_t i = 0; i <= repeats; i++) {
		uint64_t before = csd_now(), middle, wanted, found;

		wanted = worker_bench_here(bench, way->parts, way->bytes, way->each_begins);
		middle = csd_now();
		found = worker_bench_there(worker, way->parts, way->bytes, way->depth, way->each_begins, shared);
		if (found != wanted) {
			bench_fail("%s: %lu records there, %lu here", way->name, found, wanted);
		}
		if (i > 0) {	/* the first warms up */
			here.seconds[here.count++] = (double)(middle - before) / 1e9;
			there.seconds[there.count++] = (double)(csd_now() - middle) / 1e9;
		}
	}
	bench_sort(&here);
	bench_sort(&there);
	if (way->each_begins) {
		printf("%-28s us a job:  here %6.2f %6.2f %6.2f   worker %6.2f %6.2f %6.2f   more %6.2f\n", way->name,
		       here.seconds[0] * scale, bench_median(&here) * scale, here.seconds[repeats - 1] * scale, there.seconds[0] * scale,
		       bench_median(&there) * scale, there.seconds[repeats - 1] * scale, (bench_median(&there) - bench_median(&here)) * scale);
	} else {
		double gigabytes = (double)way->parts * (double)way->bytes / 1e9;

		printf("%-28s GB/s:      here %6.2f %6.2f %6.2f   worker %6.2f %6.2f %6.2f   ratio %5.3f\n", way->name,
		       gigabytes / here.seconds[repeats - 1], gigabytes / bench_median(&here), gigabytes / here.seconds[0],
		       gigabytes / there.seconds[repeats - 1], gigabytes / bench_median(&there), gigabytes / there.seconds[0],
		       bench_median(&here) / bench_median(&there));
	}
	fflush(stdout);
}

/* Workers that look for `spin` ns before they sleep. */
static void
worker_bench_open(struct bench *bench, const char *folder, uint64_t spin, const int *cpu)
{
	const struct csd_executor_options options = {
		.background = bench->background, .stack_bytes = 1 << 20, .spin_nanoseconds = spin, .cpu_nanoseconds = TIMEOUT_NS,
		.start_nanoseconds = TIMEOUT_NS,
		.cpus = cpu, .cpu_count = 1, .idle_most = 1, .most = 4,
	};
	char spawner[512], program[512];
	struct csd_spawner_paths paths = {.spawner = spawner, .worker = program};
	struct csd_spawner_link link;

	snprintf(spawner, sizeof(spawner), "%s/csd_spawner", folder);
	snprintf(program, sizeof(program), "%s/csd_worker", folder);
	bench->executor = csd_executor_create(&options);
	if (bench->executor == NULL || csd_spawner_link_open(&link, &paths) != 0) {
		bench_fail("%s cannot be started", spawner);
	}
	csd_executor_give_spawner(bench->executor, &link);
}

static struct csd_pool *
worker_bench_pool(struct bench *bench, uint64_t window_bytes, uint64_t output_bytes)
{
	const struct csd_pool_options options = {
		.blob = bench->blob, .blob_bytes = bench->blob->length, .data_bytes = bench->header.data_bytes,
		.window_bytes = window_bytes, .output_bytes = output_bytes, .spares = 1,
	};
	struct csd_pool *pool = csd_pool_create(bench->executor, &options);

	if (pool == NULL) {
		bench_fail("no memory");
	}
	return pool;
}

static void
worker_bench_close(struct bench *bench, struct csd_pool *pool)
{
	struct csd_spawner_link link;

	while (!csd_pool_close(pool)) {
		worker_bench_look(bench);
	}
	link = csd_executor_destroy(bench->executor);
	while (!csd_spawner_link_close(&link)) {
		sched_yield();
	}
}

static void
worker_bench_workers(struct bench *bench, const char *folder, const char *what, uint64_t spin, int cpu, bool shared,
		     const struct way *ways, uint32_t count, uint32_t repeats)
{
	struct csd_worker *worker;
	struct csd_pool *pool;

	worker_bench_open(bench, folder, spin, &cpu);
	pool = worker_bench_pool(bench, 4 * WINDOW_BYTES, WINDOW_BYTES);
	worker = worker_bench_take(bench, pool, 1);
	worker_bench_fill(worker->window->base, worker->window->length);
	printf("%s\n", what);
	for (uint32_t i = 0; i < count; i++) {
		worker_bench_way(bench, worker, &ways[i], repeats, shared);
	}
	csd_worker_release(worker);
	worker_bench_close(bench, pool);
}

/* One owner after the other wants a worker, each another process. */
static void
worker_bench_looks(struct bench *bench, const char *folder, int cpu)
{
	struct csd_pool *pool;

	worker_bench_open(bench, folder, 0, &cpu);
	pool = worker_bench_pool(bench, TARGET_WINDOW, TARGET_OUTPUT);
	bench->longest_look = bench->long_looks = bench->looks = 0;
	for (uint64_t owner = 1; owner <= OWNERS; owner++) {
		csd_worker_release(worker_bench_take(bench, pool, owner));
	}
	printf("%lu looks at workers, while %d are started one after the other: the longest %.3f ms, %lu longer than 0.1 ms\n",
	       bench->looks, OWNERS, bench->longest_look / 1e6, bench->long_looks);
	worker_bench_close(bench, pool);
}

int
main(int argc, char **argv)
{
	static const struct way ways[] = {
		{"4 KiB, one at a time", JOBS, SMALL_BYTES, 1, true},
		{"256 KiB windows, one", WINDOWS, WINDOW_BYTES, 1, false},
		{"256 KiB windows, four deep", WINDOWS, WINDOW_BYTES, 4, false},
	};
	int target = argc > 4 ? worker_bench_cpu(argv[3]) : 0;
	int cpu = argc > 4 ? worker_bench_cpu(argv[4]) : 1;
	uint32_t repeats = argc > 5 ? (uint32_t)bench_number("REPEATS", argv[5], MAX_REPEATS - 1) : 11;
	struct bench bench = {.executor = NULL};

	if (argc < 3 || argc == 4 || argc > 6) {
		bench_fail("usage: csd_worker_bench FOLDER PROGRAM.csd [CPU-OF-TARGET CPU-OF-WORKER [REPEATS]]");
	}
	bench.background = csd_background_create(NULL);
	if (bench.background == NULL) {
		bench_fail("no thread");
	}
	worker_bench_pin(target);
	worker_bench_read_blob(&bench, argv[2]);
	worker_bench_map_blob(&bench);
	worker_bench_fill(bench.window, 4 * WINDOW_BYTES);
	worker_bench_looks(&bench, argv[1], cpu);
	printf("%s, %u repeats: least, median, most\n", argv[2], repeats);
	worker_bench_workers(&bench, argv[1], "a worker that spins:", 10000000, cpu, false, ways, 3, repeats);
	worker_bench_workers(&bench, argv[1], "a worker that has gone to sleep:", 0, cpu, false, ways, 1, repeats);
	worker_bench_workers(&bench, argv[1], "a worker on the target's CPU, which both give away:", 10000000, target,
			     true, ways, 3, repeats);
	csd_background_destroy(bench.background);
	return 0;
}
