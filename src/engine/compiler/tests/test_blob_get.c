/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The one who starts csd_compile: what it gives, keeps, and says when that goes wrong. Compilers that misbehave are scripts
 * that this test writes.
 *
 *	test_blob_get FOLDER CSD_COMPILE PROGRAM.bpf.o REFUSED.bpf.o KILLS SEED	FOLDER: this test's own
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "csd_blob_get.h"
#include "csd_cache.h"
#include "csd_now.h"
#include "chance.h"
#include "test.h"

#define THREADS	4

static char folder[4096], compile[4096], runs[4200], cache[4200];
static struct file program;

/* A compiler that is this script. */
static const char *
get_script(const char *name, const char *body)
{
	static char path[4400];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	CHECK(file != NULL, "%s", path);
	fprintf(file, "#!/bin/sh\n[ \"$1\" = --identity ] && { echo script; exit 0; }\n%s\n", body);
	CHECK(fclose(file) == 0 && chmod(path, 0755) == 0, "%s", path);
	return path;
}

static struct csd_blob_maker *
get_maker(const char *path, const char *cached, uint32_t seconds)
{
	static struct csd_blob_options options;
	char reason[CSD_REASON_BYTES] = "";
	struct csd_blob_maker *maker;

	options = (struct csd_blob_options) {.compile = path, .cache = cached, .cache_bytes = 1 << 20, .seconds = seconds};
	maker = csd_blob_maker_create(&options, reason);
	CHECK(maker != NULL, "%s", reason);
	return maker;
}

static uint32_t
get_runs(void)
{
	FILE *file = fopen(runs, "r");
	uint32_t count = 0;
	int c;

	while (file != NULL && (c = fgetc(file)) != EOF) {
		count += c == '\n';
	}
	if (file != NULL) {
		fclose(file);
	}
	return count;
}

static void
get_right(struct csd_blob_maker *maker)
{
	char reason[CSD_REASON_BYTES] = "";
	struct csd_blob_header header;
	struct csd_memory *blob;

	CHECK(csd_blob_get(maker, program.bytes, program.length, NULL, &blob, &header, reason) == CSD_BLOB_READY, "%s", reason);
	CHECK(header.code_bytes >= CSD_BLOB_PAGE && header.line_count > 0, "no code");
	CHECK(memcmp(blob->base, CSD_BLOB_MAGIC, 8) == 0, "no blob");
	csd_memory_put(blob);
}

/* Every entry of the cache, of which there are so many, gets another byte. */
static void
get_alter(uint32_t wanted)
{
	DIR *entries = opendir(cache);
	struct dirent *one;
	uint32_t count = 0;

	CHECK(entries != NULL, "%s", cache);
	while ((one = readdir(entries)) != NULL) {
		char path[4600];
		FILE *file;

		if (strlen(one->d_name) != CSD_CACHE_NAME - 1) {
			continue;
		}
		snprintf(path, sizeof(path), "%s/%s", cache, one->d_name);
		file = fopen(path, "r+");
		CHECK(file != NULL && fseek(file, 200, SEEK_SET) == 0 && fputc('!', file) != EOF && fclose(file) == 0, "%s", path);
		count++;
	}
	closedir(entries);
	CHECK_EQUAL(count, wanted);
}

static void
get_from_cache(void)
{
	char body[8500];
	struct csd_blob_maker *maker;

	snprintf(body, sizeof(body), "echo run >>%s\nexec %s \"$@\"", runs, compile);
	maker = get_maker(get_script("counts", body), cache, 60);
	get_right(maker);
	CHECK_EQUAL(get_runs(), 1);
	get_right(maker);
	CHECK_EQUAL(get_runs(), 1);
	get_alter(1);
	get_right(maker);
	CHECK_EQUAL(get_runs(), 2);
	csd_blob_maker_free(maker);
	/* Another process, later: the same entry. */
	maker = get_maker(get_script("counts", body), cache, 60);
	get_right(maker);
	CHECK_EQUAL(get_runs(), 2);
	csd_blob_maker_free(maker);
	/* Without a cache, each time. */
	maker = get_maker(get_script("counts", body), NULL, 60);
	get_right(maker);
	get_right(maker);
	CHECK_EQUAL(get_runs(), 4);
	csd_blob_maker_free(maker);
}

static void
get_wrong(const char *path, const void *object, size_t length, uint32_t seconds, enum csd_blob_end wanted, const char *words)
{
	struct csd_blob_maker *maker = get_maker(path, NULL, seconds);
	char reason[CSD_REASON_BYTES] = "";
	struct csd_blob_header header;
	struct csd_memory *blob;
	enum csd_blob_end end = csd_blob_get(maker, object, length, NULL, &blob, &header, reason);

	CHECK(end == wanted, "%s: ended %d: %s", path, end, reason);
	CHECK(strstr(reason, words) != NULL, "%s: not '%s' but '%s'", path, words, reason);
	csd_blob_maker_free(maker);
}

static void
get_all_wrong(const char *refused)
{
	struct file file = read_whole(refused);
	const struct csd_blob_options missing = {.compile = "/nowhere/csd_compile", .seconds = 5};
	char reason[CSD_REASON_BYTES] = "";
	uint64_t before;

	CHECK(csd_blob_maker_create(&missing, reason) == NULL, "made with no compiler");
	CHECK(strcmp(reason, "/nowhere/csd_compile: No such file or directory") == 0, "%s", reason);
	get_wrong(compile, file.bytes, file.length, 60, CSD_BLOB_REFUSED, "calls helper 35: this drive has none of this number");
	get_wrong(compile, "no object", 9, 60, CSD_BLOB_REFUSED, "");
	get_wrong(get_script("garbage", "echo no blob at all"), program.bytes, program.length, 60, CSD_BLOB_FAILED,
		  "what the compiler wrote is no program");
	get_wrong(get_script("nothing", "exit 0"), program.bytes, program.length, 60, CSD_BLOB_FAILED, "its size");
	get_wrong(get_script("words", "printf 'two\\001 words\\033[2J\\nand more' >&2; exit 2"), program.bytes, program.length, 60,
		  CSD_BLOB_OVER, "two? words?[2J");
	get_wrong(get_script("strange", "exit 77"), program.bytes, program.length, 60, CSD_BLOB_FAILED, "wait status 0x4d00");
	get_wrong(get_script("killed", "kill -9 $$"), program.bytes, program.length, 60, CSD_BLOB_FAILED, "wait status 0x9");
	before = csd_now();
	get_wrong(get_script("hangs", "exec sleep 1000"), program.bytes, program.length, 1, CSD_BLOB_FAILED, "wait status 0xf");
	CHECK(csd_now() - before < 10 * 1000000000ULL, "waited for what hangs");
	free(file.bytes);
}

/* csd_compile where no gcc is: what the cache has is taken, the rest is refused, and nothing is kept under gcc's name. */
static void
get_without_compiler(const char *other)
{
	static const char *const arguments[] = {"--path", "/nowhere", NULL};
	struct csd_blob_options options = {.compile = compile, .arguments = arguments, .cache_bytes = 1 << 20, .seconds = 60};
	struct file file = read_whole(other);
	struct csd_blob_maker *maker;
	char reason[CSD_REASON_BYTES] = "";
	struct csd_blob_header header;
	struct csd_memory *blob;
	char empty[4300];

	CHECK(csd_blob_maker_create(&options, reason) == NULL, "made with neither compiler nor cache");
	CHECK(strcmp(reason, "no gcc in /nowhere: the package gcc brings it") == 0, "%s", reason);
	snprintf(empty, sizeof(empty), "%s/empty", folder);
	options.cache = empty;
	CHECK(csd_blob_maker_create(&options, reason) == NULL, "made with a cache that no compiler has filled");
	CHECK(strcmp(reason, "no gcc in /nowhere: the package gcc brings it") == 0, "%s", reason);
	/* Filled by another csd_compile. */
	options.cache = cache;
	maker = get_maker(get_script("other", "exit 3"), cache, 60);
	csd_blob_maker_free(maker);
	CHECK(csd_blob_maker_create(&options, reason) == NULL, "made with what another csd_compile has left");
	maker = get_maker(compile, cache, 60);
	get_right(maker);
	csd_blob_maker_free(maker);
	maker = csd_blob_maker_create(&options, reason);
	CHECK(maker != NULL, "%s", reason);
	get_right(maker);
	CHECK_EQUAL(csd_blob_get(maker, file.bytes, file.length, NULL, &blob, &header, reason), CSD_BLOB_FAILED);
	CHECK(strcmp(reason, "no gcc in /nowhere: the package gcc brings it") == 0, "%s", reason);
	csd_blob_maker_free(maker);
	free(file.bytes);
}

static void
get_not(struct csd_blob_options *options, const char *words)
{
	char reason[CSD_REASON_BYTES] = "";

	CHECK(csd_blob_maker_create(options, reason) == NULL, "made with %s", options->blobs);
	CHECK(strstr(reason, words) != NULL, "not '%s' but '%s'", words, reason);
}

/* What is in no more than the second folder. */
static void
get_more(const struct csd_blob_options *from)
{
	struct csd_blob_options options = *from;
	char first[4300], copy[9000], reason[CSD_REASON_BYTES] = "";
	struct csd_blob_maker *maker;

	snprintf(first, sizeof(first), "%s/first", folder);
	CHECK(mkdir(first, 0755) == 0, "%s", first);
	snprintf(copy, sizeof(copy), "cp '%s/identity' '%s/'", from->blobs, first);
	CHECK(system(copy) == 0, "%s", copy);
	options.blobs = first;
	options.more_blobs = from->blobs;
	maker = csd_blob_maker_create(&options, reason);
	CHECK(maker != NULL, "%s", reason);
	get_right(maker);
	csd_blob_maker_free(maker);
	options.more_blobs = "/no/such/folder";
	get_not(&options, "/no/such/folder: No such file or directory");
}

/* With what another machine's compiler has made: that is taken, and nothing is compiled or changed, whatever compiler is here. */
static void
get_from_blobs(const char *other)
{
	static const char *const nowhere[] = {"--path", "/nowhere", NULL};
	struct csd_blob_options options = {.compile = compile, .blobs = cache, .seconds = 60};
	struct file file = read_whole(other);
	char reason[CSD_REASON_BYTES] = "", empty[4300], identity[4300];
	struct csd_blob_header header;
	struct csd_blob_maker *maker;
	struct csd_memory *blob;

	for (int compiler = 0; compiler < 2; compiler++) {
		options.arguments = compiler ? NULL : nowhere;
		maker = csd_blob_maker_create(&options, reason);
		CHECK(maker != NULL, "%s", reason);
		get_right(maker);
		CHECK_EQUAL(csd_blob_get(maker, file.bytes, file.length, NULL, &blob, &header, reason), CSD_BLOB_REFUSED);
		CHECK(strcmp(reason, "this node has no compiler, and its builder has not compiled this program: load one of those that it "
			     "has, declare it in csd_target_programs, or give the node a compiler (csd_target_compiler: true)") == 0, "%s",
		      reason);
		csd_blob_maker_free(maker);
	}
	get_more(&options);
	maker = csd_blob_maker_create(&options, reason);
	CHECK(maker != NULL, "%s", reason);
	get_alter(2);
	for (int i = 0; i < 2; i++) {
		CHECK_EQUAL(csd_blob_get(maker, program.bytes, program.length, NULL, &blob, &header, reason), CSD_BLOB_FAILED);
		CHECK(strstr(reason, "is not as the builder made it: install it anew") != NULL, "%s", reason);
	}
	csd_blob_maker_free(maker);
	options.compile = get_script("other", "exit 3");
	get_not(&options, "is another csd_compile's: install both anew");
	options.compile = compile;
	snprintf(identity, sizeof(identity), "%s/identity", cache);
	CHECK(unlink(identity) == 0, "%s", identity);
	get_not(&options, "/identity: No such file or directory");
	snprintf(empty, sizeof(empty), "%s/absent", folder);
	options.blobs = empty;
	get_not(&options, "/absent: No such file or directory");
	CHECK(mkdir(empty, 0700) == 0 && chmod(empty, 0770) == 0, "%s", empty);
	get_not(&options, "/absent: Operation not permitted");
	free(file.bytes);
}

static bool given_up;

/* Waits until the compiler runs. */
static void *
get_give_up(void *fifo)
{
	char runs_now[16];
	int file = open(fifo, O_RDONLY | O_CLOEXEC);

	CHECK(file >= 0 && read(file, runs_now, sizeof(runs_now)) > 0, "%s", (char *)fifo);
	close(file);
	__atomic_store_n(&given_up, true, __ATOMIC_RELAXED);
	return NULL;
}

/* Nobody waits for its program any more: a compiler that never would end is ended. */
static void
get_cancelled(void)
{
	char fifo[4200], body[4300], reason[CSD_REASON_BYTES] = "";
	struct csd_blob_maker *maker;
	struct csd_blob_header header;
	struct csd_memory *blob;
	pthread_t thread;

	snprintf(fifo, sizeof(fifo), "%s/runs_now", folder);
	snprintf(body, sizeof(body), "echo now >%s\nexec sleep 1000", fifo);
	CHECK(mkfifo(fifo, 0600) == 0 && pthread_create(&thread, NULL, get_give_up, fifo) == 0, "%s", fifo);
	maker = get_maker(get_script("endless", body), NULL, 1000);
	CHECK_EQUAL(csd_blob_get(maker, program.bytes, program.length, &given_up, &blob, &header, reason), CSD_BLOB_FAILED);
	CHECK(strcmp(reason, "nobody wants it any more") == 0, "%s", reason);
	pthread_join(thread, NULL);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "the compiler is left");
	csd_blob_maker_free(maker);
}

/*
 * Of the compilers that say their numbers, and begin when they are told: lets a third go on, ends a third at once, and a third
 * later; till an empty line.
 */
static void *
get_killer(void *ctx)
{
	const char *const *fifos = ctx;
	FILE *numbers = fopen(fifos[0], "re");
	char line[32];

	CHECK(numbers != NULL, "%s", fifos[0]);
	while (fgets(line, sizeof(line), numbers) != NULL && atoi(line) > 0) {
		int handle = (int)syscall(SYS_pidfd_open, atoi(line), 0), begin = open(fifos[1], O_WRONLY | O_CLOEXEC);

		CHECK(begin >= 0 && write(begin, "\n", 1) == 1 && close(begin) == 0, "%s", fifos[1]);
		if (below(3) > 0) {
			usleep(below(2) ? (useconds_t)below(100000) : 0);
			syscall(SYS_pidfd_send_signal, handle, SIGKILL, NULL, 0);
		}
		CHECK(close(handle) == 0, "no compiler %s", line);
	}
	fclose(numbers);
	return NULL;
}

/* Compilers are killed: each call ends once, with the program or saying so, and no process is left. */
static void
get_killed(uint32_t kills, uint64_t seed)
{
	char numbers[4200], begin[4200], body[13000], reason[CSD_REASON_BYTES];
	const char *fifos[] = {numbers, begin};
	struct csd_blob_maker *maker;
	uint32_t ready = 0;
	pthread_t thread;
	uint64_t deadline;
	int file, status;

	/* What a killed compiler has started comes to this process, and is seen. */
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "no subreaper");
	snprintf(numbers, sizeof(numbers), "%s/numbers", folder);
	snprintf(begin, sizeof(begin), "%s/begin", folder);
	snprintf(body, sizeof(body), "echo $$ >%s\nread go <%s\nexec %s \"$@\"", numbers, begin, compile);
	CHECK(mkfifo(numbers, 0600) == 0 && mkfifo(begin, 0600) == 0, "%s", numbers);
	chance_begin(seed, 0);
	CHECK(pthread_create(&thread, NULL, get_killer, fifos) == 0, "no thread");
	file = open(numbers, O_WRONLY | O_CLOEXEC);	/* so that its end is not that of one compiler */
	CHECK(file >= 0, "%s", numbers);
	maker = get_maker(get_script("mortal", body), NULL, 60);
	for (uint32_t i = 0; i < kills; i++) {
		struct csd_blob_header header;
		struct csd_memory *blob = NULL;
		enum csd_blob_end end = csd_blob_get(maker, program.bytes, program.length, NULL, &blob, &header, reason);

		if (end == CSD_BLOB_READY) {
			ready++;
			CHECK(memcmp(blob->base, CSD_BLOB_MAGIC, 8) == 0, "no blob");
			csd_memory_put(blob);
		} else {
			CHECK(end == CSD_BLOB_FAILED && strstr(reason, "ended with wait status 0x9") != NULL, "%d: %s", end, reason);
			CHECK(blob == NULL, "killed, and a program");
		}
	}
	CHECK(write(file, "\n", 1) == 1 && close(file) == 0, "%s", numbers);
	pthread_join(thread, NULL);
	/* gcc may have begun a step of its work: its limit of CPU time is the latest end. */
	for (deadline = csd_now() + 60 * 1000000000ULL; waitpid(-1, &status, WNOHANG) >= 0; usleep(1000)) {
		CHECK(csd_now() < deadline, "a killed compiler has left processes, which 60 s did not end");
	}
	CHECK(errno == ECHILD, "%s", strerror(errno));
	csd_blob_maker_free(maker);
	CHECK(kills < 20 || (ready > 0 && ready < kills), "%u of %u came to their end", ready, kills);
	printf("test_blob_get: %u compilers, of which %u were killed before their end\n", kills, kills - ready);
}

static void *
get_thread(void *maker)
{
	get_right(maker);
	return NULL;
}

static void
get_many(void)
{
	struct csd_blob_maker *maker = get_maker(compile, cache, 60);
	pthread_t threads[THREADS];

	for (uint32_t i = 0; i < THREADS; i++) {
		CHECK(pthread_create(&threads[i], NULL, get_thread, maker) == 0, "no thread");
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	csd_blob_maker_free(maker);
}

static uint32_t
get_descriptors(void)
{
	DIR *all = opendir("/proc/self/fd");
	uint32_t count = 0;

	CHECK(all != NULL, "/proc/self/fd");
	while (readdir(all) != NULL) {
		count++;
	}
	closedir(all);
	return count;
}

int
main(int argc, char **argv)
{
	uint32_t descriptors = get_descriptors();

	CHECK(argc == 7, "usage: test_blob_get FOLDER CSD_COMPILE PROGRAM.bpf.o REFUSED.bpf.o KILLS SEED");
	CHECK(realpath(argv[1], folder) != NULL && realpath(argv[2], compile) != NULL, "%s, %s", argv[1], argv[2]);
	snprintf(runs, sizeof(runs), "%s/runs", folder);
	snprintf(cache, sizeof(cache), "%s/cache", folder);
	program = read_whole(argv[3]);
	get_from_cache();
	get_all_wrong(argv[4]);
	get_without_compiler(argv[4]);
	get_from_blobs(argv[4]);
	get_cancelled();
	get_many();
	get_killed((uint32_t)atoi(argv[5]), strtoull(argv[6], NULL, 0));
	CHECK_EQUAL(get_descriptors(), descriptors);
	free(program.bytes);
	printf("test_blob_get: passed\n");
	return 0;
}
