/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * baseline, offload, slm, compare: every task in every asked way. The ways take turns in the repeats, so that whatever
 * else the machine does meets them alike.
 */
#define _GNU_SOURCE
#include "csd_ways.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_TASKS	(CSD_MAX_LIST + CSD_SELECTIVITIES)
#define BATCH_RECORDS	4096
#define HUGE_PAGE_BYTES	(2u << 20)
#define MOST_PERMILLE	500

/* One timed repeat. */
struct sample {
	double seconds;
	double user_s;
	double system_s;
	double machine_busy_s;		/* all CPUs, all processes: what the kernel did for us is in there too */
	double copy_s, execute_s, read_s;
	uint64_t scan_ns;
	uint64_t commands;
	struct csd_wire_count wire;
	bool wire_valid;
};

/* The known answer of one task, from the generator alone. */
struct known {
	uint64_t matches;
	uint64_t bytes;
	char sha256[CSD_HEX_BYTES];
};

struct bench {
	struct csd_session *session;
	struct csd_json *json;
	struct csd_error *err;
	uint64_t bytes;
	struct csd_task tasks[MAX_TASKS];
	struct known known[MAX_TASKS];
	unsigned int task_count;
	struct csd_output output;
	struct sample *samples;		/* [task][way][repeat] */
};

static double
measure_seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

/* Busy time of all CPUs: user nice system irq softirq steal of /proc/stat's first line. */
static double
measure_machine_busy(void)
{
	unsigned long user = 0, nice = 0, system = 0, irq = 0, softirq = 0;
	FILE *file = fopen("/proc/stat", "r");

	if (file == NULL) {
		return 0;
	}
	if (fscanf(file, "cpu %lu %lu %lu %*u %*u %lu %lu", &user, &nice, &system, &irq, &softirq) != 5) {
		user = 0;
	}
	fclose(file);
	return (double)(user + nice + system + irq + softirq) / (double)sysconf(_SC_CLK_TCK);
}

/* Whole huge pages. */
static size_t
measure_rounded(uint64_t bytes)
{
	return (bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
}

int
csd_output_alloc(struct csd_output *output, uint64_t bytes, struct csd_error *err)
{
	output->capacity = bytes;
	output->data = mmap(NULL, measure_rounded(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (output->data == MAP_FAILED) {
		output->data = NULL;
		csd_fail(err, CSD_UNAVAILABLE, "%lu bytes of memory for what is selected", output->capacity);
		csd_found(err, "%s", strerror(errno));
		return csd_fix(err, "ask for fewer records or a lower selectivity, or give the machine more memory");
	}
	madvise(output->data, measure_rounded(bytes), MADV_HUGEPAGE);
	memset(output->data, 0, measure_rounded(bytes));	/* page faults are not what is measured */
	return 0;
}

void
csd_output_free(struct csd_output *output)
{
	if (output->data != NULL) {
		munmap(output->data, measure_rounded(output->capacity));
		output->data = NULL;
	}
}

/* Of two given ones, the second is for what returns half of the data or more. */
static struct csd_setting
measure_setting_for(const struct bench *bench, enum csd_way_id way, const struct csd_task *task)
{
	const struct csd_setting_list *list = &bench->session->options->settings[way];
	bool most = task->level != CSD_NO_LEVEL && csd_selectivities[task->level].permille >= MOST_PERMILLE;

	return (struct csd_setting){ list->io_sizes[most && list->io_size_count > 1],
				     list->depths[most && list->depth_count > 1] };
}

static int
measure(struct bench *bench, enum csd_way_id way, const struct csd_task *task, struct sample *sample)
{
	struct csd_session *session = bench->session;
	struct csd_setting setting = measure_setting_for(bench, way, task);
	struct csd_wire_count wire;
	struct rusage before, after;
	double busy, begun;
	int rc;

	csd_wire_read(&session->wire, &wire);
	busy = measure_machine_busy();
	getrusage(RUSAGE_SELF, &before);
	begun = csd_now();
	rc = csd_ways[way].run(session, &setting, task, bench->bytes, &bench->output, bench->err);
	sample->seconds = csd_now() - begun;
	getrusage(RUSAGE_SELF, &after);
	sample->machine_busy_s = measure_machine_busy() - busy;
	csd_wire_read(&session->wire, &sample->wire);
	sample->user_s = measure_seconds_of(after.ru_utime) - measure_seconds_of(before.ru_utime);
	sample->system_s = measure_seconds_of(after.ru_stime) - measure_seconds_of(before.ru_stime);
	sample->wire_valid = csd_wire_subtract(&sample->wire, &wire);
	sample->scan_ns = bench->output.scan_ns;
	sample->commands = bench->output.commands;
	sample->copy_s = bench->output.copy_s;
	sample->execute_s = bench->output.execute_s;
	sample->read_s = bench->output.read_s;
	return rc;
}

/* "threshold at selectivity 0.01" */
static const char *
measure_task_name(const struct csd_task *task)
{
	static char text[128];
	const char *selectivity = csd_task_selectivity(task);

	snprintf(text, sizeof(text), "%s%s%s", task->native->name, selectivity != NULL ? " at selectivity " : "",
		 selectivity != NULL ? selectivity : "");
	return text;
}

static int
measure_check_matches(const struct bench *bench, enum csd_way_id way, unsigned int index)
{
	const struct known *known = &bench->known[index];
	const struct csd_output *output = &bench->output;
	char sha256[CSD_HEX_BYTES];

	csd_output_sha256(output, &bench->tasks[index], sha256);
	if (output->matches == known->matches && strcmp(sha256, known->sha256) == 0) {
		return 0;
	}
	csd_fail(bench->err, CSD_WRONG_DATA, "%s by %s: %lu matches with SHA-256 %s in the %s", csd_ways[way].name,
		 measure_task_name(&bench->tasks[index]), known->matches, known->sha256,
		 csd_session_asked(bench->session));
	csd_found(bench->err, "%lu matches with SHA-256 %s", output->matches, sha256);
	return csd_fix(bench->err, "verify the data set, and write it again (the module csd_dataset does both)");
}

static void
measure_print_task(struct csd_json *json, const struct csd_task *task, enum csd_way_id way)
{
	const char *selectivity = csd_task_selectivity(task);

	csd_json_string(json, "name", csd_ways[way].name);
	csd_json_string(json, "program", task->native->name);
	csd_json_raw(json, "selectivity", selectivity != NULL ? selectivity : "null");
}

/* Tells the caller where a timed part begins and ends, and waits until it has read its own counters. */
static void
measure_step(const struct bench *bench, const char *event, const struct csd_task *task, enum csd_way_id way)
{
	int c;

	if (!bench->session->options->step) {
		return;
	}
	csd_json_object(bench->json, NULL);
	csd_json_string(bench->json, "event", event);
	measure_print_task(bench->json, task, way);
	csd_json_object_end(bench->json);
	csd_json_finish(bench->json);
	do {
		c = getchar();
	} while (c != '\n' && c != EOF);
}

static struct sample *
measure_samples_of(const struct bench *bench, unsigned int task, unsigned int way)
{
	const struct csd_options *options = bench->session->options;

	return bench->samples + ((size_t)task * options->way_count + way) * options->repeats;
}

/* Warm-ups, then the timed repeats. Each repeat's matches are checked, outside the timed part. */
static int
measure_run_task(struct bench *bench, unsigned int index)
{
	const struct csd_options *options = bench->session->options;
	const struct csd_task *task = &bench->tasks[index];
	struct sample ignored;
	uint32_t repeat;
	unsigned int i;
	int rc = 0;

	if (task->split == CSD_SPLIT_SEQUENCE && bench->session->commands != NULL) {
		rc = csd_drive_make_range_set(bench->session, task->native->state_bytes, bench->err);
	}
	for (repeat = 0; repeat < options->warmups + options->repeats && rc == 0; repeat++) {
		for (i = 0; i < options->way_count && rc == 0; i++) {
			enum csd_way_id way = options->ways[i];
			bool counts = repeat >= options->warmups;

			if (counts) {
				measure_step(bench, "begin", task, way);
			}
			rc = measure(bench, way, task,
				     counts ? measure_samples_of(bench, index,
								 i) + repeat - options->warmups : &ignored);
			if (counts) {
				measure_step(bench, "end", task, way);
			}
			if (rc == 0) {
				rc = measure_check_matches(bench, way, index);
			}
		}
	}
	if (bench->session->commands != NULL) {
		csd_drive_remove_range_set(bench->session);
	}
	return rc;
}

static void
measure_print_samples(const struct bench *bench, const struct sample *samples, uint32_t count, enum csd_way_id way)
{
	struct csd_json *json = bench->json;
	uint32_t i;

	csd_json_array(json, "samples");
	for (i = 0; i < count; i++) {
		csd_json_object(json, NULL);
		csd_json_seconds(json, "seconds", samples[i].seconds);
		csd_json_seconds(json, "user_s", samples[i].user_s);
		csd_json_seconds(json, "system_s", samples[i].system_s);
		csd_json_seconds(json, "machine_busy_s", samples[i].machine_busy_s);
		if (csd_ways[way].on_drive) {
			csd_json_seconds(json, "target_scan_s", (double)samples[i].scan_ns * 1e-9);
			csd_json_u64(json, "commands", samples[i].commands);
		}
		if (samples[i].wire_valid) {
			csd_json_u64(json, "wire_bytes_to_host", samples[i].wire.to_host);
			csd_json_u64(json, "wire_bytes_to_target", samples[i].wire.to_target);
			csd_json_u64(json, "tcp_bytes_to_host", samples[i].wire.tcp_to_host);
			csd_json_u64(json, "tcp_bytes_to_target", samples[i].wire.tcp_to_target);
			csd_json_u64(json, "wire_bytes_not_parsed", samples[i].wire.not_parsed);
			csd_json_u64(json, "interface_bytes_received", samples[i].wire.interface_received);
			csd_json_u64(json, "interface_bytes_sent", samples[i].wire.interface_sent);
		}
		csd_json_object_end(json);
	}
	csd_json_array_end(json);
}

static void
measure_print_run(const struct bench *bench, unsigned int index, unsigned int way_index)
{
	const struct csd_options *options = bench->session->options;
	const struct csd_task *task = &bench->tasks[index];
	const struct known *known = &bench->known[index];
	enum csd_way_id way = options->ways[way_index];
	struct csd_setting setting = measure_setting_for(bench, way, task);
	struct csd_json *json = bench->json;

	csd_json_object(json, NULL);
	measure_print_task(json, task, way);
	if (task->level != CSD_NO_LEVEL) {
		csd_json_i64(json, "threshold", csd_selectivities[task->level].threshold);
	}
	csd_json_string(json, "parameters", task->text);
	csd_json_u64(json, "matches", known->matches);
	csd_json_string(json, "matches_sha256", known->sha256);
	csd_json_u64(json, "matched_bytes", known->bytes);
	csd_json_u64(json, "io_bytes", setting.io_bytes);
	csd_json_u64(json, "queue_depth", setting.depth);
	if (way == CSD_WAY_OFFLOAD) {
		csd_json_u64(json, "result_bytes", csd_session_result_bytes(bench->session));
	}
	measure_print_samples(bench, measure_samples_of(bench, index, way_index), options->repeats, way);
	csd_json_object_end(json);
}

void
csd_print_head(struct csd_session *session, struct csd_json *json, const char *command, const char *sha256)
{
	csd_json_object(json, NULL);
	csd_json_string(json, "command", command);
	csd_json_u64(json, "records", session->set.records);
	csd_json_u64(json, "seed", session->set.seed);
	csd_json_u64(json, "bytes", csd_dataset_bytes(&session->set));
	csd_json_u64(json, "read_bytes", session->transfer_bytes);
	csd_json_u64(json, "device_bytes", session->io->bytes);
	csd_json_string(json, "expected_sha256", sha256);
	csd_json_string(json, "interface", session->wire.interface[0] != '\0' ? session->wire.interface : NULL);
	csd_json_string(json, "wire_source", csd_wire_source(&session->wire));
	csd_json_string(json, "wire_reason", csd_wire_reason(&session->wire));
}

static void
measure_print_programs(const struct bench *bench)
{
	static const char *const verdicts[] = {"", "proved", "not proved"};
	const struct csd_drive *drive = &bench->session->drive;
	struct csd_json *json = bench->json;
	unsigned int i, j;

	csd_json_array(json, "programs");
	for (i = 0; i < bench->session->options->program_count && bench->session->commands != NULL; i++) {
		const struct csd_program_entry *slot = &drive->slots[bench->session->options->programs[i].slot];
		char sha256[CSD_HEX_BYTES];

		for (j = 0; j < sizeof(slot->sha256); j++) {
			snprintf(sha256 + 2 * j, 3, "%02x", slot->sha256[j]);
		}
		csd_json_object(json, NULL);
		csd_json_string(json, "program", bench->session->options->programs[i].name);
		csd_json_u64(json, "slot", slot->pind);
		csd_json_string(json, "engine", slot->engine);
		csd_json_bool(json, "jit", slot->jit != 0);
		csd_json_string(json, "verdict", verdicts[slot->verdict <= 2 ? slot->verdict : 0]);
		csd_json_u64(json, "bytes", slot->psize);
		csd_json_string(json, "sha256", sha256);
		csd_json_object_end(json);
	}
	csd_json_array_end(json);
}

/* The threshold once for each selectivity, the other programs once. */
static void
measure_make_tasks(struct bench *bench)
{
	const struct csd_options *options = bench->session->options;
	unsigned int i, j;

	for (i = 0; i < options->program_count; i++) {
		bool levels = strcmp(options->programs[i].name, "threshold") == 0;

		for (j = 0; j < (levels ? options->selectivity_count : 1); j++) {
			struct csd_task *task = &bench->tasks[bench->task_count++];

			csd_task_init(task, options->programs[i].name, options->selectivities[j], &bench->session->set);
			task->slot = options->programs[i].slot;
		}
	}
}

/*
 * What a threshold selects is known by comparing temperatures (csd_answer_compute). The other programs' answers are
 * those of their native twins over the generator's records: no device and no connection has a part in them.
 */
static int
measure_find_answer(struct bench *bench, unsigned int index, const struct csd_answer *answer)
{
	static struct csd_record batch[BATCH_RECORDS];
	const struct csd_dataset *set = &bench->session->set;
	const struct csd_task *task = &bench->tasks[index];
	struct known *known = &bench->known[index];
	struct csd_host_run run;
	uint64_t first;
	int rc = 0;

	if (task->level != CSD_NO_LEVEL) {
		known->matches = answer->at[task->level].matches;
		known->bytes = known->matches * CSD_RECORD_BYTES;
		memcpy(known->sha256, answer->at[task->level].sha256, sizeof(known->sha256));
		return 0;
	}
	csd_host_begin(&run, task, bench->bytes, &bench->output);
	for (first = 0; first < set->records && rc == 0; first += BATCH_RECORDS) {
		size_t count = set->records - first < BATCH_RECORDS ? (size_t)(set->records - first) : BATCH_RECORDS;

		csd_dataset_fill(set, first, count, batch);
		rc = csd_host_piece(&run, first * CSD_RECORD_BYTES, (uint8_t *)batch,
				    (uint32_t)(count * CSD_RECORD_BYTES), bench->err);
	}
	known->matches = bench->output.matches;
	known->bytes = task->emit_bytes > 0 ? bench->output.bytes : task->native->state_bytes;
	csd_output_sha256(&bench->output, task, known->sha256);
	return rc;
}

static uint64_t
measure_most_matched_bytes(const struct bench *bench)
{
	uint64_t most = bench->bytes / 64;	/* a sample of each 100th record has less */
	unsigned int i;

	for (i = 0; i < bench->task_count; i++) {
		uint64_t bytes;

		if (bench->tasks[i].level == CSD_NO_LEVEL) {
			continue;
		}
		bytes = csd_dataset_matches(&bench->session->set, csd_selectivities[bench->tasks[i].level].permille) *
			CSD_RECORD_BYTES;
		most = bytes > most ? bytes : most;
	}
	return most;
}

static int
measure_check_slots(const struct bench *bench)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; i < bench->task_count && rc == 0 && bench->session->commands != NULL; i++) {
		rc = csd_drive_check_slot(bench->session, &bench->tasks[i], bench->err);
	}
	return rc;
}

static int
measure_run_all(struct bench *bench, const char **sha256)
{
	static struct csd_answer answer;
	unsigned int i;
	int rc = measure_check_slots(bench);

	csd_answer_compute(&bench->session->set, &answer);
	*sha256 = answer.sha256;
	for (i = 0; i < bench->task_count && rc == 0; i++) {
		rc = measure_find_answer(bench, i, &answer);
	}
	for (i = 0; i < bench->task_count && rc == 0; i++) {
		rc = measure_run_task(bench, i);
	}
	return rc;
}

static void
measure_print_all(const struct bench *bench, const char *sha256)
{
	const struct csd_options *options = bench->session->options;
	unsigned int i, j;

	csd_print_head(bench->session, bench->json, options->command_name, sha256);
	measure_print_programs(bench);
	csd_json_array(bench->json, "runs");
	for (i = 0; i < bench->task_count; i++) {
		for (j = 0; j < options->way_count; j++) {
			measure_print_run(bench, i, j);
		}
	}
	csd_json_array_end(bench->json);
	csd_json_object_end(bench->json);
	csd_json_finish(bench->json);
}

int
csd_command_measure(struct csd_session *session, struct csd_json *json, struct csd_error *err)
{
	static struct bench bench;
	const struct csd_options *options = session->options;
	const char *sha256 = NULL;
	int rc;

	memset(&bench, 0, sizeof(bench));
	bench.session = session;
	bench.json = json;
	bench.err = err;
	bench.bytes = csd_dataset_bytes(&session->set);
	measure_make_tasks(&bench);
	bench.samples = calloc((size_t)bench.task_count * options->way_count * options->repeats, sizeof(*bench.samples));
	if (bench.samples == NULL) {
		csd_fail(err, CSD_UNAVAILABLE, "memory for the samples");
		csd_found(err, "none left");
		return csd_fix(err, "ask for fewer repeats");
	}
	rc = csd_output_alloc(&bench.output, measure_most_matched_bytes(&bench) + session->stream.arena_bytes, err);
	if (rc == 0) {
		rc = measure_run_all(&bench, &sha256);
	}
	if (rc == 0) {
		measure_print_all(&bench, sha256);
	}
	csd_output_free(&bench.output);
	free(bench.samples);
	return rc;
}
