/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_workers.h"

#include <openssl/evp.h>

#include "spdk/env.h"
#include "spdk/string.h"
#include "spdk/util.h"
#include "spdk_internal/log.h"

#include "csd_now.h"

/* How often spares are started, idle workers end, and what takes too long is seen, while nobody waits. */
#define LOOK_MICROSECONDS	5000
#define SPIN_NANOSECONDS	50000
#define STACK_BYTES		(1u << 20)
#define CPU_MILLISECONDS	10000
#define MOST_CPU_MILLISECONDS	3600000
#define START_NANOSECONDS	10000000000ULL
#define COMPILE_SECONDS		75
#define MOST_WORKERS		64
#define MOST_IDLE		4
#define MOST_CPUS		64

TAILQ_HEAD(csd_workers_waits, csd_workers_wait);

struct csd_workers_pool {
	struct csd_pool *pool;
	TAILQ_ENTRY(csd_workers_pool) link;
};

struct csd_workers_thread {
	struct csd_executor *executor;
	struct csd_spawner_link dead;	/* pid 0: none */
	uint64_t retry_at;		/* ns: the next try to start a spawner */
	struct spdk_poller *fast;	/* while somebody waits */
	struct spdk_poller *slow;
	struct csd_workers_waits waits;
	TAILQ_HEAD(, csd_workers_pool) closing;
};

static struct {
	bool enabled;
	char compile[PATH_MAX], spawner[PATH_MAX], worker[PATH_MAX];
	int cpus[MOST_CPUS];
	uint32_t cpu_count;
	uint64_t cpu_milliseconds;
	struct csd_blob_maker *maker;	/* of the one thread that compiles */
	struct csd_blob_options blobs;
} g_workers = {.cpu_milliseconds = CPU_MILLISECONDS};

static int
csd_workers_program(char path[PATH_MAX], const char *folder, const char *name)
{
	if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX) {
		return -ENAMETOOLONG;
	}
	return access(path, X_OK) == 0 ? 0 : -errno;
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
	g_workers.enabled = true;
	return 0;
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

bool
csd_workers_enabled(void)
{
	return g_workers.enabled;
}

enum csd_blob_end
csd_workers_compile(const void *object, size_t length, struct csd_memory **blob, struct csd_blob_header *header,
		    char reason[CSD_REASON_BYTES])
{
	if (g_workers.maker == NULL) {
		g_workers.blobs = (struct csd_blob_options) {.compile = g_workers.compile, .seconds = COMPILE_SECONDS};
		g_workers.maker = csd_blob_maker_create(&g_workers.blobs, reason);
	}
	return g_workers.maker == NULL ? CSD_BLOB_FAILED : csd_blob_get(g_workers.maker, object, length, blob, header, reason);
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

static int
csd_workers_start_spawner(struct csd_workers_thread *thread)
{
	const struct csd_spawner_paths paths = {.spawner = g_workers.spawner, .worker = g_workers.worker};
	struct csd_spawner_link link;
	int rc = csd_spawner_link_open(&link, &paths);

	if (rc != 0) {
		SPDK_ERRLOG("%s cannot be started: %s\n", g_workers.spawner, strerror(-rc));
		thread->retry_at = csd_now() + 1000000000;
		return rc;
	}
	csd_executor_give_spawner(thread->executor, &link);
	return 0;
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
	if (thread->dead.pid != 0) {
		csd_spawner_link_close(&thread->dead);
	}
	if (csd_executor_spawner(thread->executor) == 0 && csd_now() >= thread->retry_at) {
		csd_workers_start_spawner(thread);
	}
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
		 const struct csd_pool_memory *memories, uint32_t memory_count)
{
	struct csd_workers_thread *thread = spdk_io_channel_get_ctx(held);
	const struct csd_pool_options options = {
		.blob = blob, .blob_bytes = blob->length, .data_bytes = header->data_bytes,
		.memories = memories, .memory_count = memory_count,
		.window_bytes = CSD_WORKERS_INPUT + CSD_WORKERS_BEGIN, .output_bytes = CSD_WORKERS_OUTPUT, .spares = 1,
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
		.stack_bytes = STACK_BYTES, .spin_nanoseconds = SPIN_NANOSECONDS, .cpu_nanoseconds = g_workers.cpu_milliseconds * 1000000,
		.start_nanoseconds = START_NANOSECONDS, .cpus = g_workers.cpus, .cpu_count = g_workers.cpu_count,
		.idle_most = MOST_IDLE, .most = MOST_WORKERS,
	};

	TAILQ_INIT(&thread->waits);
	TAILQ_INIT(&thread->closing);
	thread->executor = csd_executor_create(&options);
	thread->fast = SPDK_POLLER_REGISTER(csd_workers_poll_fast, thread, 0);
	thread->slow = SPDK_POLLER_REGISTER(csd_workers_poll_slow, thread, LOOK_MICROSECONDS);
	if (thread->executor == NULL || thread->fast == NULL || thread->slow == NULL || csd_workers_start_spawner(thread) != 0) {
		csd_workers_channel_destroy(io_device, ctx);
		return -ENOMEM;
	}
	spdk_poller_pause(thread->fast);
	return 0;
}

/* CPUs that no reactor has; none of them: any. */
static void
csd_workers_find_cpus(void)
{
	int count = (int)sysconf(_SC_NPROCESSORS_ONLN);

	for (int cpu = 0; cpu < count && g_workers.cpu_count < MOST_CPUS; cpu++) {
		bool reactor = false;
		uint32_t core;

		SPDK_ENV_FOREACH_CORE(core) {
			reactor = reactor || core == (uint32_t)cpu;
		}
		if (!reactor) {
			g_workers.cpus[g_workers.cpu_count++] = cpu;
		}
	}
}

void
csd_workers_init(void)
{
	csd_workers_find_cpus();
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
