/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_executor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "csd_now.h"

/* A look at the spawner is a system call: a reactor comes by more often. */
#define POLL_NANOSECONDS	100000ULL
/* What could not be started is tried again after this. */
#define RETRY_NANOSECONDS	100000000ULL

struct csd_pool {
	struct csd_pool *next;
	struct csd_executor *executor;
	struct csd_pool_options options;
	struct csd_pool_memory memories[CSD_LAYOUT_MEMORIES];
	struct csd_worker *workers;
	struct csd_private_memory *next_memory;	/* for the next worker; NULL: not asked for */
	uint64_t retry_at;	/* ns */
	bool closing;
};

struct csd_executor {
	struct csd_executor_options options;
	struct csd_spawner_link spawner;
	struct csd_pool *pools;
	uint32_t count;		/* workers of all pools */
	uint32_t next_id;
	uint32_t next_cpu;
	uint64_t polled;	/* ns */
	bool heard;		/* of a worker that was ready */
	uint32_t layers;	/* of all of those */
};

/* CPU time of its process so far; 0 if that is no more. */
static uint64_t
executor_worker_cpu_time(const struct csd_worker *worker)
{
	struct timespec taken;

	if (worker->pid == 0 || clock_gettime(worker->clock, &taken) != 0) {
		return 0;
	}
	return (uint64_t)taken.tv_sec * 1000000000 + (uint64_t)taken.tv_nsec;
}

/* --- orders --- */

static void
executor_start_request(struct csd_worker *worker, struct csd_spawner_request *request, int *descriptors, uint32_t *count)
{
	const struct csd_pool *pool = worker->pool;
	struct csd_executor *executor = pool->executor;
	struct csd_worker_setup *setup = &request->setup;
	uint32_t number = pool->options.memory_count;

	request->stack_bytes = executor->options.stack_bytes;
	request->cpu = executor->options.cpu_count == 0 ? -1 :
		       executor->options.cpus[executor->next_cpu++ % executor->options.cpu_count];
	setup->blob_bytes = pool->options.blob_bytes;
	setup->data_bytes = pool->options.data_bytes;
	setup->spin_nanoseconds = executor->options.spin_nanoseconds;
	descriptors[0] = pool->options.blob->fd;
	descriptors[1] = worker->own->ring->fd;
	/* There is always something to pass. */
	descriptors[2] = worker->data != NULL ? worker->data->fd : worker->own->ring->fd;
	for (uint32_t i = 0; i < number; i++) {
		setup->memories[i] = (struct csd_worker_memory) {
			pool->memories[i].offset, pool->memories[i].length, pool->memories[i].writable,
		};
		descriptors[3 + i] = pool->memories[i].memory->fd;
	}
	if (worker->window != NULL) {
		setup->memories[number] = (struct csd_worker_memory) {0, worker->window->length, false};
		descriptors[3 + number++] = worker->window->fd;
	}
	if (worker->output != NULL) {
		setup->memories[number] = (struct csd_worker_memory) {0, worker->output->length, true};
		descriptors[3 + number++] = worker->output->fd;
	}
	setup->memory_count = number;
	*count = number + 3;
}

/* Sends a worker's order, now or, if the spawner is behind, at the next poll. */
static void
executor_send(struct csd_worker *worker, enum csd_spawner_order order)
{
	const struct csd_spawner_link *spawner = &worker->pool->executor->spawner;
	struct csd_spawner_request request = {.order = order, .id = worker->id};
	int descriptors[CSD_LAYOUT_MEMORIES + 3];
	uint32_t count = 0;

	worker->order = order;
	worker->order_waits = true;
	if (spawner->socket < 0) {
		return;		/* csd_executor_poll() sees that it is gone */
	}
	if (order == CSD_SPAWNER_START) {
		executor_start_request(worker, &request, descriptors, &count);
	}
	worker->order_waits = csd_spawner_link_send(spawner, &request, descriptors, count) != 0;
}

/* --- workers --- */

static void
executor_worker_free(struct csd_worker *worker)
{
	struct csd_executor *executor = worker->pool->executor;

	executor->count--;
	csd_private_memory_drop(executor->options.background, worker->own);
	free(worker);
}

/* Takes over the memory. */
static struct csd_worker *
executor_worker_create(struct csd_pool *pool, struct csd_private_memory *own)
{
	const struct csd_pool_options *options = &pool->options;
	struct csd_worker *worker = calloc(1, sizeof(*worker));

	if (worker == NULL) {
		csd_private_memory_drop(pool->executor->options.background, own);
		return NULL;
	}
	worker->pool = pool;
	pool->executor->count++;
	worker->own = own;
	worker->data = own->data;
	worker->window = own->window;
	worker->output = own->output;
	worker->window_number = options->memory_count;
	worker->output_number = options->memory_count + (worker->window != NULL);
	worker->side.ring = (struct csd_ring *)own->ring->base;
	worker->id = pool->executor->next_id++;
	worker->since = csd_now();
	worker->next = pool->workers;
	pool->workers = worker;
	executor_send(worker, CSD_SPAWNER_START);
	return worker;
}

/* Its process is to end, for this reason: the first one counts. */
static void
executor_worker_stop(struct csd_worker *worker, enum csd_worker_end why, enum csd_spawner_order order)
{
	if (worker->state == CSD_WORKER_ENDING || worker->state == CSD_WORKER_GONE) {
		return;
	}
	worker->end = why;
	worker->state = CSD_WORKER_ENDING;
	if (worker->order_waits && worker->order == CSD_SPAWNER_START) {
		worker->order_waits = false;	/* it was never started */
		worker->state = CSD_WORKER_GONE;
		return;
	}
	executor_send(worker, order);
}

static enum csd_worker_end
executor_worker_end_of(const struct csd_worker *worker, int status)
{
	if (worker->end != CSD_WORKER_END_NONE) {
		return worker->end;
	}
	if (worker->state == CSD_WORKER_STARTING) {
		return CSD_WORKER_END_START;
	}
	return WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM) ? CSD_WORKER_END_KILLED :
	       CSD_WORKER_END_FAULT;
}

static void
executor_worker_gone(struct csd_worker *worker, enum csd_worker_end why, int status)
{
	const volatile struct csd_ring_fault *fault = &worker->side.ring->fault;

	worker->end = why;
	worker->state = CSD_WORKER_GONE;
	worker->pid = 0;
	worker->order_waits = false;
	if (why == CSD_WORKER_END_START) {
		worker->pool->retry_at = csd_now() + RETRY_NANOSECONDS;
	}
	if (why == CSD_WORKER_END_FAULT || why == CSD_WORKER_END_TIME) {
		worker->fault = (struct csd_ring_fault) {fault->signal, fault->code, fault->address, fault->instruction};
		/* One that left its handler no word, as seccomp's; or the handler was not asked in time. */
		if (WIFSIGNALED(status)) {
			worker->fault.signal = (uint32_t)WTERMSIG(status);
		}
	}
}

/* --- the spawner's answers --- */

static struct csd_worker *
executor_find(struct csd_executor *executor, uint32_t id)
{
	for (struct csd_pool *pool = executor->pools; pool != NULL; pool = pool->next) {
		for (struct csd_worker *worker = pool->workers; worker != NULL; worker = worker->next) {
			if (worker->id == id) {
				return worker;
			}
		}
	}
	return NULL;
}

static void
executor_hear(struct csd_executor *executor, const struct csd_spawner_answer *answer)
{
	struct csd_worker *worker = executor_find(executor, answer->id);

	if (worker == NULL) {
		return;
	}
	if (answer->event == CSD_SPAWNER_STARTED) {
		if (clock_getcpuclockid(answer->pid, &worker->clock) == 0) {
			worker->pid = answer->pid;	/* else it has ended: that is heard next */
		}
	} else if (answer->event == CSD_SPAWNER_FAILED) {
		executor_worker_gone(worker, CSD_WORKER_END_START, 0);
	} else {
		worker->cpu_nanoseconds = answer->cpu_nanoseconds;
		executor_worker_gone(worker, executor_worker_end_of(worker, answer->status), answer->status);
	}
}

/* --- looking after them --- */

static void
executor_is_ready(struct csd_worker *worker)
{
	struct csd_executor *executor = worker->pool->executor;

	worker->layers = worker->side.ring->layers;
	worker->state = CSD_WORKER_SPARE;
	executor->layers = worker->layers & (executor->heard ? executor->layers : UINT32_MAX);
	executor->heard = true;
}

static void
executor_worker_look(struct csd_worker *worker, uint64_t now)
{
	const struct csd_executor_options *options = &worker->pool->executor->options;

	if (worker->order_waits) {
		executor_send(worker, worker->order);
	}
	if (worker->state == CSD_WORKER_STARTING) {
		if (__atomic_load_n(&worker->side.ring->set_up, __ATOMIC_ACQUIRE) != 0 && worker->pid != 0) {
			executor_is_ready(worker);
		} else if (now - worker->since > options->start_nanoseconds) {
			executor_worker_stop(worker, CSD_WORKER_END_START, CSD_SPAWNER_KILL);
		}
	} else if (worker->state == CSD_WORKER_BUSY && now - worker->looked > CSD_EXECUTOR_LOOK_MS * 1000000ULL) {
		worker->looked = now;
		/* Wall-clock time bounds it from above: most looks need no system call. */
		if (now - worker->since > options->cpu_nanoseconds &&
		    executor_worker_cpu_time(worker) > worker->cpu_before + options->cpu_nanoseconds) {
			executor_worker_stop(worker, CSD_WORKER_END_TIME, CSD_SPAWNER_ASK);
		}
	}
}

/* Makes room for another one, by and by: whoever waits for an owner that may never come again goes. */
static void
executor_make_room(struct csd_executor *executor)
{
	for (struct csd_pool *pool = executor->pools; pool != NULL; pool = pool->next) {
		for (struct csd_worker *worker = pool->workers; worker != NULL; worker = worker->next) {
			if (worker->state == CSD_WORKER_ENDING) {
				return;
			}
			if (worker->state == CSD_WORKER_IDLE) {
				executor_worker_stop(worker, CSD_WORKER_END_ASKED, CSD_SPAWNER_KILL);
				return;
			}
		}
	}
}

/* Memories for one worker. NULL: not yet, or there is no room for them now. */
static struct csd_private_memory *
executor_pool_take_memory(struct csd_pool *pool, uint64_t now)
{
	const struct csd_pool_options *options = &pool->options;
	struct csd_background *background = pool->executor->options.background;
	struct csd_private_memory *own = pool->next_memory;

	if (own == NULL) {
		pool->next_memory = csd_private_memory_submit(background, options->data_bytes, options->window_bytes,
							      options->output_bytes);
		if (pool->next_memory == NULL) {
			pool->retry_at = now + RETRY_NANOSECONDS;
		}
		return NULL;
	}
	if (!csd_background_is_done(&own->task)) {
		return NULL;
	}
	pool->next_memory = NULL;
	if (own->rc != 0) {
		csd_private_memory_drop(background, own);
		pool->retry_at = now + RETRY_NANOSECONDS;
		return NULL;
	}
	return own;
}

/* Spares, and no more than `idle_most` that wait for their owner; frees who is gone. */
static void
executor_pool_look(struct csd_pool *pool, uint64_t now)
{
	uint32_t spares = 0, idle = 0;
	struct csd_worker **at = &pool->workers;

	while (*at != NULL) {
		struct csd_worker *worker = *at;

		executor_worker_look(worker, now);
		if (worker->state == CSD_WORKER_GONE && !worker->taken) {
			*at = worker->next;
			executor_worker_free(worker);
			continue;
		}
		if (pool->closing && !worker->taken) {
			executor_worker_stop(worker, CSD_WORKER_END_ASKED, CSD_SPAWNER_KILL);
		}
		spares += worker->state == CSD_WORKER_STARTING || worker->state == CSD_WORKER_SPARE;
		idle += worker->state == CSD_WORKER_IDLE;
		if (worker->state == CSD_WORKER_IDLE && idle > pool->executor->options.idle_most) {
			executor_worker_stop(worker, CSD_WORKER_END_ASKED, CSD_SPAWNER_KILL);
		}
		at = &worker->next;
	}
	for (; !pool->closing && now >= pool->retry_at && spares < pool->options.spares; spares++) {
		struct csd_private_memory *own;

		if (pool->executor->count >= pool->executor->options.most) {
			executor_make_room(pool->executor);
			return;
		}
		own = executor_pool_take_memory(pool, now);
		if (own == NULL) {
			return;
		}
		if (executor_worker_create(pool, own) == NULL) {
			pool->retry_at = now + RETRY_NANOSECONDS;
		}
	}
}

int
csd_executor_poll(struct csd_executor *executor, struct csd_spawner_link *dead)
{
	struct csd_spawner_answer answer;
	uint64_t now = csd_now();
	int rc = 0;

	if (now - executor->polled < POLL_NANOSECONDS) {
		return 0;
	}
	executor->polled = now;
	while (executor->spawner.socket >= 0 && (rc = csd_spawner_link_receive(&executor->spawner, &answer)) == 1) {
		executor_hear(executor, &answer);
	}
	if (executor->spawner.socket >= 0 && rc < 0) {
		*dead = executor->spawner;
		executor->spawner = (struct csd_spawner_link) {.socket = -1};
		for (struct csd_pool *pool = executor->pools; pool != NULL; pool = pool->next) {
			for (struct csd_worker *worker = pool->workers; worker != NULL; worker = worker->next) {
				if (worker->state != CSD_WORKER_GONE) {
					executor_worker_gone(worker, worker->end != CSD_WORKER_END_NONE ?
							     worker->end : CSD_WORKER_END_KILLED, 0);
				}
			}
		}
	}
	for (struct csd_pool *pool = executor->pools; executor->spawner.socket >= 0 && pool != NULL; pool = pool->next) {
		executor_pool_look(pool, now);
	}
	return rc < 0 ? -EPIPE : 0;
}

void
csd_executor_give_spawner(struct csd_executor *executor, const struct csd_spawner_link *link)
{
	executor->spawner = *link;
}

pid_t
csd_executor_spawner(const struct csd_executor *executor)
{
	return executor->spawner.socket >= 0 ? executor->spawner.pid : 0;
}

bool
csd_executor_layers(const struct csd_executor *executor, uint32_t *layers)
{
	*layers = executor->layers;
	return executor->heard;
}

struct csd_executor *
csd_executor_create(const struct csd_executor_options *options)
{
	struct csd_executor *executor = calloc(1, sizeof(*executor));

	if (executor != NULL) {
		executor->options = *options;
		executor->spawner.socket = -1;
	}
	return executor;
}

static void
executor_pool_free(struct csd_pool *pool)
{
	struct csd_pool **at = &pool->executor->pools;

	while (*at != pool) {
		at = &(*at)->next;
	}
	*at = pool->next;
	csd_private_memory_drop(pool->executor->options.background, pool->next_memory);
	csd_memory_put(pool->options.blob);
	for (uint32_t i = 0; i < pool->options.memory_count; i++) {
		csd_memory_put(pool->memories[i].memory);
	}
	free(pool);
}

struct csd_spawner_link
csd_executor_destroy(struct csd_executor *executor)
{
	struct csd_spawner_link spawner = executor->spawner;

	while (executor->pools != NULL) {
		while (executor->pools->workers != NULL) {
			struct csd_worker *worker = executor->pools->workers;

			executor->pools->workers = worker->next;
			executor_worker_free(worker);
		}
		executor_pool_free(executor->pools);
	}
	free(executor);
	return spawner;
}

/* --- pools --- */

struct csd_pool *
csd_pool_create(struct csd_executor *executor, const struct csd_pool_options *options)
{
	struct csd_pool *pool = options->memory_count > CSD_LAYOUT_MEMORIES - 2 ? NULL : calloc(1, sizeof(*pool));

	if (pool == NULL) {
		return NULL;
	}
	pool->executor = executor;
	pool->options = *options;
	csd_memory_get(options->blob);
	for (uint32_t i = 0; i < options->memory_count; i++) {
		pool->memories[i] = options->memories[i];
		csd_memory_get(pool->memories[i].memory);
	}
	pool->next = executor->pools;
	executor->pools = pool;
	return pool;
}

bool
csd_pool_close(struct csd_pool *pool)
{
	pool->closing = true;
	executor_pool_look(pool, csd_now());
	if (pool->workers != NULL) {
		return false;
	}
	executor_pool_free(pool);
	return true;
}

bool
csd_pool_refer(const struct csd_pool *pool, const void *bytes, uint64_t length, struct csd_ring_reference *reference)
{
	for (uint32_t i = 0; i < pool->options.memory_count; i++) {
		const struct csd_pool_memory *memory = &pool->memories[i];
		uintptr_t base = (uintptr_t)memory->memory->base + memory->offset, at = (uintptr_t)bytes;

		if (at >= base && at - base <= memory->length && length <= memory->length - (at - base)) {
			*reference = (struct csd_ring_reference) {i, at - base, length};
			return true;
		}
	}
	return false;
}

bool
csd_pool_has_memories(const struct csd_pool *pool, const struct csd_pool_memory *memories, uint32_t count)
{
	bool same = pool->options.memory_count == count;

	for (uint32_t i = 0; same && i < count; i++) {
		same = pool->memories[i].memory == memories[i].memory && pool->memories[i].offset == memories[i].offset &&
		       pool->memories[i].length == memories[i].length && pool->memories[i].writable == memories[i].writable;
	}
	return same;
}

/* One of this owner's own, or a spare. */
static struct csd_worker *
executor_pool_find(const struct csd_pool *pool, uint64_t owner)
{
	struct csd_worker *spare = NULL;

	for (struct csd_worker *worker = pool->workers; worker != NULL && !pool->closing; worker = worker->next) {
		if (worker->state == CSD_WORKER_IDLE && worker->owner == owner) {
			return worker;
		}
		if (worker->state == CSD_WORKER_SPARE) {
			spare = worker;
		}
	}
	return spare;
}

bool
csd_pool_has(const struct csd_pool *pool, uint64_t owner)
{
	return executor_pool_find(pool, owner) != NULL;
}

struct csd_worker *
csd_pool_take(struct csd_pool *pool, uint64_t owner)
{
	struct csd_worker *found = executor_pool_find(pool, owner);

	if (found == NULL) {
		return NULL;
	}
	found->owner = owner;
	found->taken = true;
	found->state = CSD_WORKER_BUSY;
	found->since = found->looked = csd_now();
	if (!found->cpu_counted) {
		found->cpu_before = executor_worker_cpu_time(found);
	}
	found->cpu_counted = false;
	return found;
}

bool
csd_worker_ask(struct csd_worker *worker, struct csd_ring_request *request)
{
	return worker->state == CSD_WORKER_BUSY && csd_ring_ask(&worker->side, request);
}

bool
csd_worker_has_news(const struct csd_worker *worker)
{
	return worker->state != CSD_WORKER_BUSY ||
	       __atomic_load_n(&worker->side.ring->answered, __ATOMIC_RELAXED) != worker->side.answered;
}

bool
csd_worker_answer(struct csd_worker *worker, uint64_t most_consumed, struct csd_ring_answer *answer)
{
	int rc = worker->state == CSD_WORKER_BUSY ? csd_ring_take(&worker->side, most_consumed, answer) : 0;

	if (rc < 0) {
		executor_worker_stop(worker, CSD_WORKER_END_FORGED, CSD_SPAWNER_KILL);
	}
	return rc == 1;
}

void
csd_worker_end(struct csd_worker *worker)
{
	executor_worker_stop(worker, CSD_WORKER_END_ASKED, CSD_SPAWNER_KILL);
}

void
csd_worker_release(struct csd_worker *worker)
{
	worker->taken = false;
	if (worker->state == CSD_WORKER_BUSY) {
		worker->state = CSD_WORKER_IDLE;
		if (csd_ring_pending(&worker->side) != 0) {
			executor_worker_stop(worker, CSD_WORKER_END_ASKED, CSD_SPAWNER_KILL);
		}
	}
}

/* --- what is seen of it --- */

void
csd_worker_take_lines(struct csd_worker *worker, const struct csd_ring_answer *answer, csd_worker_lines take, void *ctx)
{
	struct csd_ring_side *side = &worker->side;
	uint8_t lines[CSD_RING_TRACE_BYTES];

	if (answer != NULL) {
		uint64_t lost = answer->traced > sizeof(lines) ? answer->traced - sizeof(lines) : 0;

		take(ctx, lines, csd_ring_take_lines(side, side->answered - 1, answer->traced, lines), lost);
		return;
	}
	for (uint32_t number = side->answered; number != side->asked; number++) {
		take(ctx, lines, csd_ring_take_lines(side, number, sizeof(lines), lines), 0);
	}
}

uint64_t
csd_worker_cpu_time(struct csd_worker *worker)
{
	uint64_t taken = worker->state == CSD_WORKER_GONE ? worker->cpu_nanoseconds : executor_worker_cpu_time(worker);
	uint64_t before = worker->cpu_before;

	if (taken < before) {
		return 0;
	}
	worker->cpu_before = taken;
	worker->cpu_counted = true;
	return taken - before;
}
