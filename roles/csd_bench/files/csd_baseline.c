/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* baseline and tune. */
#include "csd_session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define TRIAL_BYTES	(4u << 20)

/* One timed repeat. */
struct sample {
	double seconds;
	double user_s;
	double system_s;
	double machine_busy_s;		/* all CPUs, all processes: what the kernel did for us is in there too */
	struct csd_wire_count wire;
	bool wire_valid;
};

static double
seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

/* Busy time of all CPUs: user nice system irq softirq steal of /proc/stat's first line. */
static double
machine_busy(void)
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

static int
measure(struct csd_session *session, const struct csd_setting *setting, struct csd_scan *scan, struct sample *sample,
	struct csd_error *err)
{
	struct csd_wire_count wire;
	struct rusage before, after;
	double busy;
	int rc;

	csd_wire_read(&session->wire, &wire);
	busy = machine_busy();
	getrusage(RUSAGE_SELF, &before);
	rc = csd_scan_run(session, setting, session->transfer_bytes, scan, &sample->seconds, err);
	getrusage(RUSAGE_SELF, &after);
	sample->machine_busy_s = machine_busy() - busy;
	csd_wire_read(&session->wire, &sample->wire);
	sample->user_s = seconds_of(after.ru_utime) - seconds_of(before.ru_utime);
	sample->system_s = seconds_of(after.ru_stime) - seconds_of(before.ru_stime);
	sample->wire_valid = wire.connections > 0 && wire.connections == sample->wire.connections &&
			     sample->wire.to_host >= wire.to_host;
	sample->wire.to_host -= wire.to_host;
	sample->wire.to_target -= wire.to_target;
	sample->wire.interface_received -= wire.interface_received;
	sample->wire.interface_sent -= wire.interface_sent;
	return rc;
}

static int
check_matches(const struct csd_session *session, unsigned int level, const struct csd_scan *scan,
	      const struct csd_match_answer *known, struct csd_error *err)
{
	char sha256[CSD_HEX_BYTES];

	csd_digest_of(scan->out, scan->matches * CSD_RECORD_BYTES, sha256);
	if (scan->matches == known->matches && strcmp(sha256, known->sha256) == 0) {
		return 0;
	}
	csd_fail(err, CSD_WRONG_DATA, "%lu matches at selectivity %s with SHA-256 %s in the %s", known->matches,
		 csd_selectivities[level].name, known->sha256, csd_session_asked(session));
	csd_found(err, "%lu matches with SHA-256 %s", scan->matches, sha256);
	return csd_fix(err, "verify the data set, and write it again (the module csd_dataset does both)");
}

/* Tells the caller where the timed part begins and ends, and waits until it has read its own counters. */
static void
step(const struct csd_session *session, struct csd_json *json, const char *event, unsigned int level)
{
	int c;

	if (!session->options->step) {
		return;
	}
	csd_json_object(json, NULL);
	csd_json_string(json, "event", event);
	csd_json_raw(json, "selectivity", csd_selectivities[level].name);
	csd_json_object_end(json);
	csd_json_finish(json);
	do {
		c = getchar();
	} while (c != '\n' && c != EOF);
}

static void
print_samples(struct csd_json *json, const struct sample *samples, uint32_t count)
{
	uint32_t i;

	csd_json_array(json, "samples");
	for (i = 0; i < count; i++) {
		csd_json_object(json, NULL);
		csd_json_seconds(json, "seconds", samples[i].seconds);
		csd_json_seconds(json, "user_s", samples[i].user_s);
		csd_json_seconds(json, "system_s", samples[i].system_s);
		csd_json_seconds(json, "machine_busy_s", samples[i].machine_busy_s);
		if (samples[i].wire_valid) {
			csd_json_u64(json, "wire_bytes_to_host", samples[i].wire.to_host);
			csd_json_u64(json, "wire_bytes_to_target", samples[i].wire.to_target);
			csd_json_u64(json, "interface_bytes_received", samples[i].wire.interface_received);
			csd_json_u64(json, "interface_bytes_sent", samples[i].wire.interface_sent);
		}
		csd_json_object_end(json);
	}
	csd_json_array_end(json);
}

/* Warm-ups, then the timed repeats of one selectivity. Each repeat's matches are checked, outside the timed part. */
static int
run_selectivity(struct csd_session *session, struct csd_json *json, unsigned int level, struct csd_scan *scan,
		const struct csd_match_answer *known, struct sample *samples, struct csd_error *err)
{
	const struct csd_options *options = session->options;
	struct csd_setting setting = csd_session_setting(session);
	struct sample ignored;
	uint32_t i;
	int rc = 0;

	scan->threshold = csd_selectivities[level].threshold;
	for (i = 0; i < options->warmups && rc == 0; i++) {
		rc = measure(session, &setting, scan, &ignored, err);
	}
	step(session, json, "begin", level);
	for (i = 0; i < options->repeats && rc == 0; i++) {
		rc = measure(session, &setting, scan, &samples[i], err);
		if (rc == 0) {
			rc = check_matches(session, level, scan, known, err);
		}
	}
	step(session, json, "end", level);
	return rc;
}

static void
print_run(struct csd_json *json, unsigned int level, const struct csd_match_answer *known, const struct sample *samples,
	  uint32_t count)
{
	csd_json_object(json, NULL);
	csd_json_raw(json, "selectivity", csd_selectivities[level].name);
	csd_json_i64(json, "threshold", csd_selectivities[level].threshold);
	csd_json_u64(json, "matches", known->matches);
	csd_json_string(json, "matches_sha256", known->sha256);
	print_samples(json, samples, count);
	csd_json_object_end(json);
}

static void
print_head(struct csd_session *session, struct csd_json *json, const char *command, const char *sha256)
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
}

static uint64_t
most_matches(const struct csd_session *session)
{
	const struct csd_options *options = session->options;
	uint64_t most = 0;
	unsigned int i;

	for (i = 0; i < options->selectivity_count; i++) {
		uint64_t matches = csd_dataset_matches(&session->set,
						       csd_selectivities[options->selectivities[i]].permille);

		most = matches > most ? matches : most;
	}
	return most;
}

int
csd_command_baseline(struct csd_session *session, struct csd_json *json, struct csd_error *err)
{
	const struct csd_options *options = session->options;
	struct csd_setting setting = csd_session_setting(session);
	struct csd_scan scan = { .records = session->set.records };
	struct sample *samples = calloc((size_t)options->selectivity_count * options->repeats, sizeof(*samples));
	struct csd_answer answer;
	unsigned int i;
	int rc = 0;

	scan.out = csd_scan_alloc(session, most_matches(session), &scan.capacity, err);
	if (samples == NULL || scan.out == NULL) {
		free(samples);
		return -(int)err->code;
	}
	csd_answer_compute(&session->set, &answer);
	for (i = 0; i < options->selectivity_count && rc == 0; i++) {
		unsigned int level = options->selectivities[i];

		rc = run_selectivity(session, json, level, &scan, &answer.at[level], samples + i * options->repeats, err);
	}
	if (rc == 0) {
		print_head(session, json, "baseline", answer.sha256);
		csd_json_u64(json, "io_bytes", setting.io_bytes);
		csd_json_u64(json, "queue_depth", setting.depth);
		csd_json_array(json, "runs");
		for (i = 0; i < options->selectivity_count; i++) {
			unsigned int level = options->selectivities[i];

			print_run(json, level, &answer.at[level], samples + i * options->repeats, options->repeats);
		}
		csd_json_array_end(json);
		csd_json_object_end(json);
		csd_json_finish(json);
	}
	csd_scan_free(scan.out, scan.capacity);
	free(samples);
	return rc;
}

/*
 * The fastest of one setting's passes, after one that is not counted. The fastest and not the median: it is the one
 * that other processes of the machine disturbed least, and the baseline is to have the best setting there is.
 */
static int
tune_point(struct csd_session *session, const struct csd_setting *setting, uint64_t bytes, struct csd_scan *scan,
	   double *fastest, struct csd_error *err)
{
	uint32_t i;
	double seconds;
	int rc = csd_scan_run(session, setting, bytes, scan, fastest, err);

	for (i = 0; i < session->options->repeats && rc == 0; i++) {
		rc = csd_scan_run(session, setting, bytes, scan, &seconds, err);
		*fastest = i == 0 || seconds < *fastest ? seconds : *fastest;
	}
	return rc;
}

/*
 * How much each pass of the sweep reads: the data set, at most the sample, and less on a slow device, so that the
 * sweep ends within about its budget. The device's speed is taken from a short pass.
 */
static int
choose_sample(struct csd_session *session, struct csd_scan *scan, uint64_t *bytes, struct csd_error *err)
{
	const struct csd_options *options = session->options;
	uint32_t passes = options->io_size_count * options->depth_count * (options->repeats + 1);
	uint32_t block_bytes = session->io->block_bytes;
	struct csd_setting largest = { options->io_sizes[options->io_size_count - 1],
				       options->depths[options->depth_count - 1] };
	uint64_t most = options->sample_bytes / block_bytes * block_bytes;
	uint64_t trial, affordable;
	double seconds = 0;
	int rc;

	*bytes = session->transfer_bytes < most ? session->transfer_bytes : most;
	trial = *bytes < TRIAL_BYTES ? *bytes : TRIAL_BYTES;
	rc = csd_scan_run(session, &largest, trial, scan, &seconds, err);
	if (rc == 0) {
		rc = csd_scan_run(session, &largest, trial, scan, &seconds, err);
	}
	affordable = (uint64_t)((double)trial / seconds * options->budget_s / passes) / block_bytes * block_bytes;
	affordable = affordable < trial ? trial : affordable;
	*bytes = affordable < *bytes ? affordable : *bytes;
	return rc;
}

/* Times every setting, prints each, and finds the fastest. */
static int
sweep(struct csd_session *session, struct csd_json *json, uint64_t bytes, struct csd_scan *scan,
      struct csd_setting *best, double *best_rate, struct csd_error *err)
{
	const struct csd_options *options = session->options;
	unsigned int i, j;

	*best_rate = 0;
	for (i = 0; i < options->io_size_count; i++) {
		for (j = 0; j < options->depth_count; j++) {
			struct csd_setting setting = { options->io_sizes[i], options->depths[j] };
			double seconds = 0, rate;
			int rc = tune_point(session, &setting, bytes, scan, &seconds, err);

			if (rc != 0) {
				return rc;
			}
			rate = (double)bytes / seconds;
			csd_json_object(json, NULL);
			csd_json_u64(json, "io_bytes", setting.io_bytes);
			csd_json_u64(json, "queue_depth", setting.depth);
			csd_json_u64(json, "bytes_per_s", (uint64_t)rate);
			csd_json_object_end(json);
			if (rate > *best_rate) {
				*best_rate = rate;
				*best = setting;
			}
		}
	}
	return 0;
}

int
csd_command_tune(struct csd_session *session, struct csd_json *json, struct csd_error *err)
{
	unsigned int level = session->options->selectivities[0];
	struct csd_scan scan = { .records = session->set.records, .threshold = csd_selectivities[level].threshold };
	struct csd_setting best = { 0, 0 };
	double best_rate = 0;
	uint64_t bytes;
	int rc;

	scan.out = csd_scan_alloc(session, csd_dataset_matches(&session->set, csd_selectivities[level].permille),
				  &scan.capacity, err);
	if (scan.out == NULL) {
		return -(int)err->code;
	}
	rc = choose_sample(session, &scan, &bytes, err);
	if (rc == 0) {
		print_head(session, json, "tune", NULL);
		csd_json_u64(json, "sample_bytes", bytes);
		csd_json_array(json, "sweep");
		rc = sweep(session, json, bytes, &scan, &best, &best_rate, err);
		csd_json_array_end(json);
		csd_json_object(json, "best");
		csd_json_u64(json, "io_bytes", best.io_bytes);
		csd_json_u64(json, "queue_depth", best.depth);
		csd_json_u64(json, "bytes_per_s", (uint64_t)best_rate);
		csd_json_object_end(json);
		csd_json_object_end(json);
		csd_json_finish(json);
	}
	csd_scan_free(scan.out, scan.capacity);
	return rc;
}
