/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "lab.h"

#include <dirent.h>
#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "csd_call.h"
#include "hostile.h"
#include "test.h"

static char lab_spawner[512], lab_worker[512];

static void
lab_give_spawner(struct lab *lab)
{
	struct csd_spawner_link link;
	int rc = csd_spawner_link_open(&link, &lab->paths);

	CHECK(rc == 0, "%s: %s", lab->paths.spawner, strerror(-rc));
	csd_executor_give_spawner(lab->executor, &link);
}

void
lab_open(struct lab *lab, const char *folder, const char *user)
{
	struct csd_executor_options options = {
		.stack_bytes = 1 << 20, .spin_nanoseconds = 50000, .cpu_nanoseconds = LAB_CPU_NS,
		.start_nanoseconds = LAB_TIMEOUT_MS * 1000000ULL, .idle_most = 4, .most = LAB_MOST,
	};
	char path[512];
	struct file file;

	/* What loses its parent comes to this process: it would be found. */
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "%s", strerror(errno));
	*lab = (struct lab) {.paths = {.spawner = lab_spawner, .worker = lab_worker, .user = user}};
	snprintf(lab_spawner, sizeof(lab_spawner), "%s/csd_spawner", folder);
	snprintf(lab_worker, sizeof(lab_worker), "%s/csd_worker", folder);
	snprintf(path, sizeof(path), "%s/hostile.csd", folder);
	file = read_whole(path);
	CHECK(csd_blob_check(file.bytes, file.length, &lab->header) == 0, "%s", path);
	CHECK(csd_memory_create_from("hostile", file.bytes, file.length, &lab->blob) == 0, "no memory");
	free(file.bytes);
	lab->background = options.background = csd_background_create(NULL);
	CHECK(lab->background != NULL, "no thread");
	lab->executor = csd_executor_create(&options);
	CHECK(lab->executor != NULL, "no memory");
	lab_give_spawner(lab);
}

static void
lab_close_link(struct csd_spawner_link *link)
{
	uint64_t deadline = csd_now() + LAB_TIMEOUT_MS * 1000000ULL;

	while (!csd_spawner_link_close(link)) {
		CHECK(csd_now() < deadline, "spawner %d does not end", (int)link->pid);
		usleep(100);
	}
}

void
lab_close(struct lab *lab)
{
	struct csd_spawner_link link = csd_executor_destroy(lab->executor);

	lab_close_link(&link);
	csd_background_destroy(lab->background);
	csd_memory_put(lab->blob);
}

static uint64_t
lab_cpu_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void
lab_poll(struct lab *lab)
{
	uint64_t before = lab_cpu_time(), took;
	struct csd_spawner_link dead;
	int rc = csd_executor_poll(lab->executor, &dead);

	took = lab_cpu_time() - before;
	lab->longest_poll = took > lab->longest_poll ? took : lab->longest_poll;
	lab->polls++;
	if (rc == -EPIPE) {
		lab_close_link(&dead);
		lab_give_spawner(lab);
		lab->respawned++;
	}
}

void
lab_wait(struct lab *lab, uint64_t deadline, const char *what)
{
	lab_poll(lab);
	CHECK(csd_now() < deadline, "%s within %d ms", what, LAB_TIMEOUT_MS);
	usleep(50);
}

struct csd_pool *
lab_pool(struct lab *lab, const struct csd_pool_memory *memories, uint32_t count)
{
	const struct csd_pool_options options = {
		.blob = lab->blob, .blob_bytes = lab->blob->length, .data_bytes = lab->header.data_bytes, .memories = memories,
		.memory_count = count, .window_bytes = LAB_WINDOW_BYTES, .output_bytes = LAB_OUTPUT_BYTES, .spares = 1,
	};
	struct csd_pool *pool = csd_pool_create(lab->executor, &options);

	CHECK(pool != NULL, "no memory");
	return pool;
}

void
lab_pool_close(struct lab *lab, struct csd_pool *pool)
{
	uint64_t deadline = csd_now() + LAB_TIMEOUT_MS * 1000000ULL;

	while (!csd_pool_close(pool)) {
		lab_wait(lab, deadline, "a pool is closed");
	}
}

struct csd_worker *
lab_take(struct lab *lab, struct csd_pool *pool, uint64_t owner)
{
	uint64_t deadline = csd_now() + LAB_TIMEOUT_MS * 1000000ULL;
	struct csd_worker *worker;

	while ((worker = csd_pool_take(pool, owner)) == NULL) {
		lab_wait(lab, deadline, "a worker is ready");
	}
	return worker;
}

void
lab_ask(struct csd_worker *worker, uint64_t what, uint64_t with, uint8_t fill)
{
	struct csd_ring_request request = {
		.flags = CSD_CALL_FIRST | CSD_CALL_LAST, .input = {worker->window_number, 0, LAB_WINDOW_BYTES},
		.output = {worker->output_number, 0, LAB_OUTPUT_BYTES}, .cparam1 = what, .cparam2 = with,
	};

	memset(worker->window->base, fill, LAB_WINDOW_BYTES);
	memset(worker->output->base, 0, 8);
	/* It may be gone already: then its command is over without an answer. */
	csd_worker_ask(worker, &request);
}

bool
lab_over(const struct lab *lab, struct csd_worker *worker, struct outcome *outcome)
{
	outcome->answered = csd_worker_answer(worker, LAB_WINDOW_BYTES, &outcome->answer);
	if (!outcome->answered && worker->state != CSD_WORKER_GONE) {
		return false;
	}
	outcome->ended = csd_now();
	if (outcome->answered) {
		memcpy(outcome->state, worker->data->base + (lab->header.state - CSD_BLOB_DATA), sizeof(outcome->state));
		memcpy(&outcome->out, worker->output->base, sizeof(outcome->out));
	}
	outcome->end = worker->end;
	outcome->fault = worker->fault;
	outcome->layers = worker->layers;
	csd_worker_release(worker);
	return true;
}

struct outcome
lab_run(struct lab *lab, struct csd_pool *pool, uint64_t owner, uint64_t what, uint64_t with)
{
	struct csd_worker *worker = lab_take(lab, pool, owner);
	uint64_t deadline = csd_now() + LAB_TIMEOUT_MS * 1000000ULL;
	struct outcome outcome = {.began = csd_now()};

	lab_ask(worker, what, with, 7);
	while (!lab_over(lab, worker, &outcome)) {
		lab_wait(lab, deadline, "a command ends");
	}
	return outcome;
}

void
lab_check_honest(const struct outcome *outcome, uint64_t with, uint8_t fill)
{
	CHECK(outcome->answered, "ended %d, signal %u at %#lx", outcome->end, outcome->fault.signal, outcome->fault.instruction);
	CHECK_EQUAL(outcome->answer.end, CSD_CALL_USED);
	CHECK_EQUAL(outcome->answer.consumed, LAB_WINDOW_BYTES);
	CHECK_EQUAL(outcome->state[0], (uint64_t)LAB_WINDOW_BYTES * fill);
	CHECK_EQUAL(outcome->state[1], with);
	CHECK_EQUAL(outcome->state[2], HOSTILE_GIVEN);
	CHECK_EQUAL(outcome->state[3], 1);
	CHECK_EQUAL(outcome->out, outcome->state[0]);
}

/* Name, state and parent of a process; false: it is no more. */
static bool
lab_process(pid_t pid, char name[64], char *state, pid_t *parent)
{
	char path[64];
	FILE *file;
	int got;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	if (file == NULL) {
		return false;
	}
	got = fscanf(file, "%*d (%63[^)]) %c %d", name, state, parent);
	fclose(file);
	return got == 3;
}

/* Whether it is this process, or below it. */
static bool
lab_is_ours(pid_t pid)
{
	char name[64], state;

	while (pid > 1 && pid != getpid()) {
		if (!lab_process(pid, name, &state, &pid)) {
			return false;
		}
	}
	return pid == getpid();
}

uint32_t
lab_processes(const char *wanted)
{
	DIR *all = opendir("/proc");
	uint32_t count = 0;
	struct dirent *one;

	CHECK(all != NULL, "/proc");
	while ((one = readdir(all)) != NULL) {
		pid_t pid = atoi(one->d_name), parent;
		char name[64], state;

		count += pid > 0 && lab_process(pid, name, &state, &parent) && state != 'Z' && strcmp(name, wanted) == 0 &&
			 lab_is_ours(parent);
	}
	closedir(all);
	return count;
}

uint32_t
lab_descriptors(void)
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
