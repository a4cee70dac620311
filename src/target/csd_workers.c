/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE	/* CPU sets */
#include "csd_workers.h"

#include <openssl/evp.h>

#include "spdk/env.h"
#include "spdk/string.h"
#include "spdk/util.h"
#include "spdk_internal/log.h"

#include "csd_cache.h"
#include "csd_confine.h"
#include "csd_cpus.h"
#include "csd_now.h"

/* How often spares are started, idle workers end, and what takes too long is seen, while nobody waits. */
#define LOOK_MICROSECONDS	5000
#define SPIN_NANOSECONDS	200000
#define STACK_BYTES		(1u << 20)
#define CPU_MILLISECONDS	10000
#define MOST_CPU_MILLISECONDS	3600000
#define START_NANOSECONDS	10000000000ULL
#define COMPILE_SECONDS		75
#define CACHE_BYTES		(256ULL << 20)
#define MOST_WORKERS		64
#define MOST_IDLE		4

TAILQ_HEAD(csd_workers_waits, csd_workers_wait);

struct csd_workers_pool {
	struct csd_pool *pool;
	TAILQ_ENTRY(csd_workers_pool) link;
};

/* A spawner that is being started, in the background. */
struct csd_workers_spawner {
	struct csd_background_task task;
	struct csd_spawner_link link;
	int rc;
};

struct csd_workers_thread {
	struct csd_executor *executor;
	struct csd_workers_spawner *spawner;	/* NULL: none is being started */
	struct csd_spawner_link dead;	/* pid 0: none */
	uint64_t retry_at;		/* ns: the next try to start a spawner */
	struct spdk_poller *fast;	/* while somebody waits */
	struct spdk_poller *slow;
	struct csd_workers_waits waits;
	TAILQ_HEAD(, csd_workers_pool) closing;
};

static struct {
	struct csd_background *background;	/* ends with the process */
	bool found;			/* the three programs: */
	bool said;			/* which layers shut programs in */
	char compile[PATH_MAX], spawner[PATH_MAX], worker[PATH_MAX];
	cpu_set_t usable;
	int cpus[CSD_CPUS_MOST];
	uint32_t cpu_count;		/* before SPDK starts: of those that were declared */
	uint64_t cpu_milliseconds;
	const char *cache;		/* NULL: none */
	const char *compiled, *more;	/* by another machine; NULL: it compiles itself, no more */
	pthread_mutex_t lock;		/* of the next: */
	struct csd_blob_maker *maker;	/* of all threads that compile */
	struct csd_blob_options blobs;
} g_workers = {.cpu_milliseconds = CPU_MILLISECONDS, .lock = PTHREAD_MUTEX_INITIALIZER};

static int
csd_workers_program(char path[PATH_MAX], const char *folder, const char *name)
{
	if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX) {
		return -ENAMETOOLONG;
	}
	return access(path, X_OK) == 0 ? 0 : -errno;
}

/* Before SPDK starts, while no thread has a core of its own. */
static int
csd_workers_find_usable(void)
{
	if (sched_getaffinity(0, sizeof(g_workers.usable), &g_workers.usable) != 0) {
		int rc = -errno;

		fprintf(stderr, "csd_tgt: which CPUs it may use: %s\n", strerror(-rc));
		return rc;
	}
	return 0;
}

int
csd_workers_configure(const char *folder)
{
	const struct {
		char *path;
		const char *name;
	} programs[] = {
		{g_workers.compile, "csd_compile"}, {g_workers.spawner, "csd_spawner"}, {g_workers.worker, "csd_worker"},
	};

	for (size_t i = 0; i < SPDK_COUNTOF(programs); i++) {
		int rc = csd_workers_program(programs[i].path, folder, programs[i].name);

		if (rc != 0) {
			fprintf(stderr, "csd_tgt: --workers %s: %s/%s: %s\n", folder, folder, programs[i].name, strerror(-rc));
			return rc;
		}
	}
	g_workers.found = true;
	return csd_workers_find_usable();
}

/* Where this program lies. */
static int
csd_workers_find_beside(void)
{
	char folder[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", folder, sizeof(folder) - 1);

	if (length < 0) {
		int rc = -errno;

		fprintf(stderr, "csd_tgt: /proc/self/exe: %s: give --workers\n", strerror(-rc));
		return rc;
	}
	folder[length] = '\0';
	*strrchr(folder, '/') = '\0';
	return csd_workers_configure(folder);
}

int
csd_workers_set_cpu_milliseconds(const char *text)
{
	long long number = spdk_strtoll(text, 10);

	if (number < 1 || number > MOST_CPU_MILLISECONDS) {
		fprintf(stderr, "csd_tgt: --program-cpu-milliseconds %s: a number from 1 to %d\n", text, MOST_CPU_MILLISECONDS);
		return -EINVAL;
	}
	g_workers.cpu_milliseconds = (uint64_t)number;
	return 0;
}

int
csd_workers_set_cpus(const char *text)
{
	char why[CSD_CPUS_WHY_BYTES];
	int count = csd_workers_find_usable();

	if (count < 0) {
		return count;
	}
	count = csd_cpus_parse(text, &g_workers.usable, g_workers.cpus, why);
	if (count < 0) {
		fprintf(stderr, "csd_tgt: --worker-cpus %s: %s\n", text, why);
		return count;
	}
	g_workers.cpu_count = (uint32_t)count;
	return 0;
}

int
csd_workers_check(void)
{
	if (g_workers.compiled != NULL && g_workers.cache != NULL) {
		fprintf(stderr, "csd_tgt: --program-blobs %s: nothing is compiled then, so nothing is kept: leave out --program-cache\n",
			g_workers.compiled);
		return -EINVAL;
	}
	return g_workers.found ? 0 : csd_workers_find_beside();
}

int
csd_workers_set_cache(const char *folder)
{
	char reason[CSD_REASON_BYTES];
	int rc = csd_cache_check(folder, reason);

	if (rc != 0) {
		fprintf(stderr, "csd_tgt: --program-cache %s: %s\n", folder, reason);
		return rc;
	}
	g_workers.cache = folder;
	return 0;
}

int
csd_workers_set_blobs(const char *folder)
{
	struct csd_cache blobs;
	int rc = csd_cache_open_read_only(&blobs, folder);

	if (rc != 0) {
		fprintf(stderr, "csd_tgt: --program-blobs %s: %s\n", folder, rc == -EPERM ?
			"others can write to it: it has to be root's, or this user's, mode 0755" : strerror(-rc));
		return rc;
	}
	csd_cache_close(&blobs);
	if (g_workers.more != NULL) {
		fprintf(stderr, "csd_tgt: --program-blobs %s: there are two already\n", folder);
		return -EINVAL;
	}
	if (g_workers.compiled != NULL) {
		g_workers.more = folder;
	} else {
		g_workers.compiled = folder;
	}
	return 0;
}

/* Made by the first who needs it: it starts csd_compile to learn what that is. NULL: it cannot be started, or no memory. */
static struct csd_blob_maker *
csd_workers_maker(char reason[CSD_REASON_BYTES])
{
	struct csd_blob_maker *maker;

	pthread_mutex_lock(&g_workers.lock);
	if (g_workers.maker == NULL) {
		g_workers.blobs = (struct csd_blob_options) {
			.compile = g_workers.compile, .cache = g_workers.cache, .blobs = g_workers.compiled,
			.more_blobs = g_workers.more, .cache_bytes = CACHE_BYTES, .seconds = COMPILE_SECONDS,
		};
		g_workers.maker = csd_blob_maker_create(&g_workers.blobs, reason);
	}
	maker = g_workers.maker;
	pthread_mutex_unlock(&g_workers.lock);
	return maker;
}

enum csd_blob_end
csd_workers_compile(const void *object, size_t length, const bool *cancelled, struct csd_memory **blob,
		    struct csd_blob_header *header, char reason[CSD_REASON_BYTES])
{
	struct csd_blob_maker *maker = csd_workers_maker(reason);

	return maker == NULL ? CSD_BLOB_FAILED : csd_blob_get(maker, object, length, cancelled, blob, header, reason);
}

uint64_t
csd_workers_owner(const char *host_nqn)
{
	uint8_t digest[EVP_MAX_MD_SIZE] = {0};
	uint64_t owner;

	EVP_Digest(host_nqn, strlen(host_nqn), digest, NULL, EVP_sha256(), NULL);
	memcpy(&owner, digest, sizeof(owner));
	return owner;
}

/* --- a thread's --- */

static void
csd_workers_open_spawner(struct csd_background_task *task)
{
	struct csd_workers_spawner *spawner = SPDK_CONTAINEROF(task, struct csd_workers_spawner, task);
	const struct csd_spawner_paths paths = {.spawner = g_workers.spawner, .worker = g_workers.worker};

	spawner->rc = csd_spawner_link_open(&spawner->link, &paths);
}

static void
csd_workers_drop_spawner(struct csd_background_task *task)
{
	struct csd_workers_spawner *spawner = SPDK_CONTAINEROF(task, struct csd_workers_spawner, task);

	if (spawner->rc == 0) {
		csd_spawner_link_close(&spawner->link);
	}
	free(spawner);
}

/* It takes about a millisecond. 0 or -ENOMEM. */
static int
csd_workers_ask_for_spawner(struct csd_workers_thread *thread)
{
	struct csd_workers_spawner *spawner = calloc(1, sizeof(*spawner));

	if (spawner == NULL) {
		return -ENOMEM;
	}
	spawner->task = (struct csd_background_task) {.work = csd_workers_open_spawner,
						       .drop = csd_workers_drop_spawner};
	spawner->link.socket = -1;
	thread->spawner = spawner;
	csd_background_submit(g_workers.background, &spawner->task);
	return 0;
}

/* Once in the process's life: what holds of one worker holds of all. */
static void
csd_workers_say_layers(const struct csd_workers_thread *thread)
{
	char missing[256];
	uint32_t layers;

	if (__atomic_load_n(&g_workers.said, __ATOMIC_RELAXED) || !csd_executor_layers(thread->executor, &layers) ||
	    __atomic_exchange_n(&g_workers.said, true, __ATOMIC_RELAXED)) {
		return;
	}
	csd_confine_missing(layers, missing, sizeof(missing));
	if (missing[0] == '\0') {
		SPDK_NOTICELOG("programs are shut in by all layers\n");
	} else {
		SPDK_WARNLOG("programs are shut in without: %s\n", missing);
	}
}

static void
csd_workers_take_spawner(struct csd_workers_thread *thread)
{
	struct csd_workers_spawner *spawner = thread->spawner;

	thread->spawner = NULL;
	if (spawner->rc != 0) {
		SPDK_ERRLOG("%s cannot be started: %s\n", g_workers.spawner, strerror(-spawner->rc));
		thread->retry_at = csd_now() + 1000000000;
	} else {
		csd_executor_give_spawner(thread->executor, &spawner->link);
	}
	free(spawner);
}

static void
csd_workers_look_for_spawner(struct csd_workers_thread *thread)
{
	if (thread->spawner != NULL) {
		if (csd_background_is_done(&thread->spawner->task)) {
			csd_workers_take_spawner(thread);
		}
	} else if (csd_executor_spawner(thread->executor) == 0 && csd_now() >= thread->retry_at) {
		csd_workers_ask_for_spawner(thread);	/* without memory: at the next look */
	}
}

static void
csd_workers_look(struct csd_workers_thread *thread)
{
	struct csd_workers_pool *closing, *next;
	struct csd_spawner_link dead;

	if (csd_executor_poll(thread->executor, &dead) != 0) {
		SPDK_ERRLOG("csd_spawner %d has ended: the programs that ran are interrupted\n", dead.pid);
		thread->dead = dead;
	}
	csd_workers_say_layers(thread);
	if (thread->dead.pid != 0) {
		csd_spawner_link_close(&thread->dead);
	}
	csd_workers_look_for_spawner(thread);
	TAILQ_FOREACH_SAFE(closing, &thread->closing, link, next) {
		if (csd_pool_close(closing->pool)) {
			TAILQ_REMOVE(&thread->closing, closing, link);
			free(closing);
		}
	}
}

static void
csd_workers_notify(struct csd_workers_thread *thread, struct csd_workers_wait *wait)
{
	TAILQ_REMOVE(&thread->waits, wait, link);
	wait->waits = false;
	wait->notify(wait->ctx);
}

/* Who waits for a program that does not end is told, too: perhaps nobody wants its answer any more. */
static int
csd_workers_poll_slow(void *ctx)
{
	struct csd_workers_thread *thread = ctx;
	struct csd_workers_wait *wait, *next;

	csd_workers_look(thread);
	TAILQ_FOREACH_SAFE(wait, &thread->waits, link, next) {
		csd_workers_notify(thread, wait);
	}
	return SPDK_POLLER_IDLE;
}

static int
csd_workers_poll_fast(void *ctx)
{
	struct csd_workers_thread *thread = ctx;
	struct csd_workers_wait *wait, *next;
	int rc = SPDK_POLLER_IDLE;

	csd_workers_look(thread);
	TAILQ_FOREACH_SAFE(wait, &thread->waits, link, next) {
		if (wait->worker != NULL ? csd_worker_has_news(wait->worker) : csd_pool_has(wait->pool, wait->owner)) {
			csd_workers_notify(thread, wait);
			rc = SPDK_POLLER_BUSY;
		}
	}
	if (TAILQ_EMPTY(&thread->waits)) {
		spdk_poller_pause(thread->fast);
	}
	return rc;
}

void
csd_workers_wait(struct spdk_io_channel *held, struct csd_workers_wait *wait)
{
	struct csd_workers_thread *thread = spdk_io_channel_get_ctx(held);

	if (!wait->waits) {
		wait->waits = true;
		TAILQ_INSERT_TAIL(&thread->waits, wait, link);
		spdk_poller_resume(thread->fast);
	}
}

void
csd_workers_forget(struct spdk_io_channel *held, struct csd_workers_wait *wait)
{
	struct csd_workers_thread *thread = spdk_io_channel_get_ctx(held);

	if (wait->waits) {
		TAILQ_REMOVE(&thread->waits, wait, link);
		wait->waits = false;
	}
}

struct csd_pool *
csd_workers_open(struct spdk_io_channel *held, struct csd_memory *blob, const struct csd_blob_header *header,
		 const struct csd_pool_memory *memories, uint32_t memory_count, uint64_t copies_bytes)
{
	struct csd_workers_thread *thread = spdk_io_channel_get_ctx(held);
	const struct csd_pool_options options = {
		.blob = blob, .blob_bytes = blob->length, .data_bytes = header->data_bytes,
		.memories = memories, .memory_count = memory_count,
		.window_bytes = CSD_WORKERS_INPUT + CSD_WORKERS_BEGIN, .output_bytes = CSD_WORKERS_COPIES + copies_bytes, .spares = 1,
	};

	return csd_pool_create(thread->executor, &options);
}

void
csd_workers_close(struct spdk_io_channel *held, struct csd_pool *pool)
{
	struct csd_workers_thread *thread = spdk_io_channel_get_ctx(held);
	struct csd_workers_pool *closing = calloc(1, sizeof(*closing));

	/* Without memory for that it stays, with its spare, until the thread ends. */
	if (closing != NULL && !csd_pool_close(pool)) {
		closing->pool = pool;
		TAILQ_INSERT_TAIL(&thread->closing, closing, link);
		return;
	}
	free(closing);
}

static void
csd_workers_channel_destroy(void *io_device, void *ctx)
{
	struct csd_workers_thread *thread = ctx;
	struct csd_spawner_link link;

	(void)io_device;
	assert(TAILQ_EMPTY(&thread->waits));
	spdk_poller_unregister(&thread->fast);
	spdk_poller_unregister(&thread->slow);
	while (!TAILQ_EMPTY(&thread->closing)) {
		struct csd_workers_pool *closing = TAILQ_FIRST(&thread->closing);

		TAILQ_REMOVE(&thread->closing, closing, link);
		free(closing);
	}
	if (thread->spawner != NULL) {
		csd_background_drop(g_workers.background, &thread->spawner->task);
	}
	if (thread->executor != NULL) {
		link = csd_executor_destroy(thread->executor);
		csd_spawner_link_close(&link);	/* it ends its workers, then itself */
	}
}

static int
csd_workers_channel_create(void *io_device, void *ctx)
{
	struct csd_workers_thread *thread = ctx;
	const struct csd_executor_options options = {
		.background = g_workers.background, .stack_bytes = STACK_BYTES, .spin_nanoseconds = SPIN_NANOSECONDS,
		.cpu_nanoseconds = g_workers.cpu_milliseconds * 1000000,
		.start_nanoseconds = START_NANOSECONDS, .cpus = g_workers.cpus, .cpu_count = g_workers.cpu_count,
		.idle_most = MOST_IDLE, .most = MOST_WORKERS,
	};

	TAILQ_INIT(&thread->waits);
	TAILQ_INIT(&thread->closing);
	thread->executor = g_workers.background == NULL ? NULL : csd_executor_create(&options);
	thread->fast = SPDK_POLLER_REGISTER(csd_workers_poll_fast, thread, 0);
	thread->slow = SPDK_POLLER_REGISTER(csd_workers_poll_slow, thread, LOOK_MICROSECONDS);
	if (thread->executor == NULL || thread->fast == NULL || thread->slow == NULL || csd_workers_ask_for_spawner(thread) != 0) {
		csd_workers_channel_destroy(io_device, ctx);
		return -ENOMEM;
	}
	spdk_poller_pause(thread->fast);
	return 0;
}

static bool
csd_workers_is_reactor(int cpu)
{
	uint32_t core;

	SPDK_ENV_FOREACH_CORE(core) {
		if (core == (uint32_t)cpu) {
			return true;
		}
	}
	return false;
}

static void
csd_workers_add_cpus(bool of_reactors)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &g_workers.usable) && csd_workers_is_reactor(cpu) == of_reactors) {
			g_workers.cpus[g_workers.cpu_count++] = cpu;
		}
	}
}

/* Those that were declared, else those that no reactor has; none of them: all. */
static void
csd_workers_find_cpus(void)
{
	cpu_set_t found;
	char list[128];

	if (g_workers.cpu_count == 0) {
		csd_workers_add_cpus(false);
	}
	if (g_workers.cpu_count == 0) {
		csd_workers_add_cpus(true);
	}
	CPU_ZERO(&found);
	for (uint32_t i = 0; i < g_workers.cpu_count; i++) {
		CPU_SET(g_workers.cpus[i], &found);
		if (csd_workers_is_reactor(g_workers.cpus[i])) {
			SPDK_NOTICELOG("programs run on CPU %d beside the reactor that spins there: each slows the other down\n",
				       g_workers.cpus[i]);
		}
	}
	csd_cpus_write(&found, list, sizeof(list));
	SPDK_NOTICELOG("programs run in processes of their own, on CPUs %s\n", list);
}

uint32_t
csd_workers_cpus(const int **cpus)
{
	*cpus = g_workers.cpus;
	return g_workers.cpu_count;
}

void
csd_workers_init(void)
{
	csd_workers_find_cpus();
	/* Its thread inherits the core of this one. */
	g_workers.background = csd_background_create(spdk_unaffinitize_thread);
	spdk_io_device_register(&g_workers, csd_workers_channel_create, csd_workers_channel_destroy,
				sizeof(struct csd_workers_thread), "csd_workers");
}

void
csd_workers_fini(void)
{
	spdk_io_device_unregister(&g_workers, NULL);
}

struct spdk_io_channel *
csd_workers_hold(void)
{
	return spdk_get_io_channel(&g_workers);
}
