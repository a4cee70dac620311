/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * workers: what the drive's workers make of a command. How long Execute Program takes alone, when its worker still looks for
 * the next command and when it has gone to sleep; and how fast scans are when one, two, ... of them are under way, each of
 * which takes a worker.
 */
#include "csd_ways.h"

#include "csd_drive.h"
#include "nvme_csd.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WARM_UPS	20
#define MANY		1000	/* commands, each sent when the one before was answered */
#define FEW		200	/* commands, each sent after a rest */
#define REST_NS		2000000	/* ten times as long as a worker looks for the next command (target/csd_workers.c) */
#define ALIGNMENT	4096
#define EXECUTE_SIZES	2

static const uint32_t g_execute_bytes[EXECUTE_SIZES] = { 4096, 1u << 20 };

struct workers {
	struct csd_session *session;
	struct csd_task task;
	struct csd_output output;
	struct csd_error *err;
	bool answered;
	int status;
	uint64_t wanted;		/* matches of an Execute */
};

struct times {
	double seconds[MANY];
	uint32_t count;
};

static int
workers_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
workers_median(const struct times *times)
{
	return (times->seconds[times->count / 2] + times->seconds[(times->count - 1) / 2]) / 2;
}

static void
workers_answered(void *ctx, uint32_t tag, int status)
{
	struct workers *workers = ctx;

	(void)tag;
	workers->answered = true;
	workers->status = status;
}

/* One command, alone. */
static int
workers_command(struct workers *workers, const char *what, const struct csd_nvme_command *asked)
{
	struct csd_io *io = workers->session->commands;
	int rc;

	workers->answered = false;
	rc = io->ops->command(io, asked, 0);
	while (rc == 0 && !workers->answered) {
		rc = io->ops->poll(io, true);
	}
	if (rc == 0) {
		rc = workers->status;
	}
	return rc == 0 ? 0 :
	       csd_command_failed(workers->session, what, &workers->task, rc, io->completion.status, workers->err);
}

/* The first bytes of the data set into SLM. */
static int
workers_copy(struct workers *workers, uint32_t bytes)
{
	struct csd_session *session = workers->session;
	const struct csd_nvme_command asked = csd_drive_copy(session, 0, bytes / session->io->block_bytes, 0,
							     session->stream.arena);

	return workers_command(workers, "SLM Copy for", &asked);
}

static uint64_t
workers_room(uint32_t bytes)
{
	return (bytes + sizeof(struct csd_result) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static int
workers_execute(struct workers *workers, uint32_t bytes, double *seconds)
{
	struct csd_session *session = workers->session;
	uint64_t room = workers_room(bytes);
	const struct csd_slm_areas areas = { .in = 0, .in_bytes = bytes, .out = room, .out_bytes = room };
	const struct csd_nvme_command asked = csd_drive_execute(session, &workers->task, &areas, session->stream.arena);
	double begun;
	int rc;

	begun = csd_now();
	rc = workers_command(workers, "Execute Program for", &asked);
	*seconds = csd_now() - begun;
	if (rc == 0 && session->commands->completion.value != workers->wanted) {
		csd_fail(workers->err, CSD_WRONG_DATA, "%lu matches in the first %u bytes, by Execute Program", workers->wanted,
			 bytes);
		csd_found(workers->err, "%lx", session->commands->completion.value);
		return csd_fix(workers->err, "verify the data set (csd_dataset)");
	}
	return rc;
}

static void
workers_rest(void)
{
	struct timespec left = { .tv_nsec = REST_NS };

	while (nanosleep(&left, &left) != 0) {
		/* a signal */
	}
}

static int
workers_execute_often(struct workers *workers, uint32_t bytes, bool asleep, struct times *times)
{
	double ignored;
	int rc = 0;
	uint32_t i;

	for (i = 0; i < WARM_UPS && rc == 0; i++) {
		rc = workers_execute(workers, bytes, &ignored);
	}
	for (times->count = 0; times->count < (asleep ? FEW : MANY) && rc == 0; times->count++) {
		if (asleep) {
			workers_rest();
		}
		rc = workers_execute(workers, bytes, &times->seconds[times->count]);
	}
	qsort(times->seconds, times->count, sizeof(times->seconds[0]), workers_compare);
	return rc;
}

/* How many of the first records match, by the generator and the native program. */
static int
workers_know(struct workers *workers, uint32_t bytes)
{
	const struct csd_session *session = workers->session;
	struct csd_record *records = malloc(bytes);
	uint64_t state[CSD_MAX_STATE_BYTES / 8] = { 0 }, out_bytes;

	if (records == NULL) {
		csd_fail(workers->err, CSD_UNAVAILABLE, "%u bytes of memory", bytes);
		return csd_fix(workers->err, "give the machine more memory");
	}
	csd_dataset_fill(&session->set, 0, bytes / CSD_RECORD_BYTES, records);
	workers->wanted = workers->task.native->run((const uint8_t *)records, bytes, &workers->task.parameters, state,
						    workers->output.data, &out_bytes);
	free(records);
	return 0;
}

static void
workers_print_spread(struct csd_json *json, const char *key, const struct times *times)
{
	csd_json_object(json, key);
	csd_json_seconds(json, "min", times->seconds[0]);
	csd_json_seconds(json, "median", workers_median(times));
	csd_json_seconds(json, "max", times->seconds[times->count - 1]);
	csd_json_object_end(json);
}

static int
workers_executes(struct workers *workers, struct csd_json *json)
{
	static struct times times;
	struct csd_io *io = workers->session->commands;
	unsigned int i, asleep;
	int rc = 0;

	for (i = 0; i < EXECUTE_SIZES && rc == 0; i++) {
		uint32_t bytes = g_execute_bytes[i];

		if (bytes > csd_dataset_bytes(&workers->session->set) ||
		    2 * workers_room(bytes) > workers->session->drive.slm_usable ||
		    bytes % workers->session->io->block_bytes != 0) {
			continue;	/* a small drive: there is a smaller one, or none */
		}
		io->done = workers_answered;
		io->done_ctx = workers;
		rc = workers_know(workers, bytes);
		rc = rc != 0 ? rc : workers_copy(workers, bytes);
		for (asleep = 0; asleep < 2 && rc == 0; asleep++) {
			rc = workers_execute_often(workers, bytes, asleep, &times);
			if (rc != 0) {
				break;
			}
			csd_json_object(json, NULL);
			csd_json_u64(json, "bytes", bytes);
			csd_json_string(json, "worker", asleep ? "asleep" : "spinning");
			csd_json_u64(json, "commands", times.count);
			workers_print_spread(json, "seconds", &times);
			csd_json_seconds(json, "p99_s", times.seconds[times.count * 99 / 100]);
			csd_json_object_end(json);
		}
	}
	return rc;
}

/* All of the data set once, so many scans at a time. */
static int
workers_scan(struct workers *workers, uint32_t depth, double *seconds)
{
	const struct csd_session *session = workers->session;
	struct csd_setting setting = { csd_session_setting(session, CSD_WAY_OFFLOAD).io_bytes, depth };
	uint64_t wanted = csd_dataset_matches(&session->set, csd_selectivities[workers->task.level].permille);
	double begun = csd_now();
	int rc = csd_way_offload(workers->session, &setting, &workers->task, csd_dataset_bytes(&session->set),
				 &workers->output, workers->err);

	*seconds = csd_now() - begun;
	if (rc == 0 && workers->output.matches != wanted) {
		csd_fail(workers->err, CSD_WRONG_DATA, "%lu matches of %s", wanted, csd_session_asked(session));
		csd_found(workers->err, "%lu by %u scans at a time", workers->output.matches, depth);
		return csd_fix(workers->err, "verify the data set (csd_dataset)");
	}
	return rc;
}

/* By turns, so that what else the machine does meets all alike. */
static int
workers_scans(struct workers *workers, struct csd_json *json)
{
	static struct times times[CSD_MAX_LIST];
	const struct csd_options *options = workers->session->options;
	const struct csd_setting_list *list = &options->settings[CSD_WAY_OFFLOAD];
	uint32_t repeats = options->repeats < MANY ? options->repeats : MANY;
	uint32_t i, k;
	int rc = 0;

	memset(times, 0, sizeof(times));
	for (i = 0; i < options->warmups + repeats; i++) {
		for (k = 0; k < list->depth_count && rc == 0; k++) {
			double seconds;

			rc = workers_scan(workers, list->depths[k], &seconds);
			if (i >= options->warmups) {
				times[k].seconds[times[k].count++] = seconds;
			}
		}
	}
	for (k = 0; k < list->depth_count && rc == 0; k++) {
		qsort(times[k].seconds, times[k].count, sizeof(times[k].seconds[0]), workers_compare);
		csd_json_object(json, NULL);
		csd_json_u64(json, "workers", list->depths[k]);
		csd_json_u64(json, "repeats", times[k].count);
		workers_print_spread(json, "seconds", &times[k]);
		csd_json_object_end(json);
	}
	return rc;
}

static int
workers_run(struct workers *workers, struct csd_json *json)
{
	int rc = csd_drive_check_slot(workers->session, &workers->task, workers->err);

	if (rc != 0) {
		return rc;
	}
	csd_print_head(workers->session, json, "workers", NULL);
	csd_json_string(json, "program", workers->task.native->name);
	csd_json_raw(json, "selectivity", csd_task_selectivity(&workers->task));
	csd_json_seconds(json, "rest_s", REST_NS / 1e9);
	csd_json_u64(json, "range_bytes", csd_session_setting(workers->session, CSD_WAY_OFFLOAD).io_bytes);
	csd_json_array(json, "executes");
	rc = workers_executes(workers, json);
	csd_json_array_end(json);
	csd_json_array(json, "scans");
	rc = rc != 0 ? rc : workers_scans(workers, json);
	csd_json_array_end(json);
	csd_json_object_end(json);
	csd_json_finish(json);
	return rc;
}

int
csd_command_workers(struct csd_session *session, struct csd_json *json, struct csd_error *err)
{
	static struct workers workers;
	const struct csd_options *options = session->options;
	unsigned int level = options->selectivities[0];
	uint64_t bytes = csd_dataset_matches(&session->set, csd_selectivities[level].permille) * CSD_RECORD_BYTES;
	int rc;

	workers = (struct workers){ .session = session, .err = err };
	csd_task_init(&workers.task, "threshold", level, &session->set);
	workers.task.slot = options->programs[0].slot;
	bytes = bytes > g_execute_bytes[EXECUTE_SIZES - 1] ? bytes : g_execute_bytes[EXECUTE_SIZES - 1];
	rc = csd_output_alloc(&workers.output, bytes + session->stream.arena_bytes, err);
	if (rc == 0) {
		rc = workers_run(&workers, json);
	}
	csd_output_free(&workers.output);
	return rc;
}
