/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* tune: the fastest setting for one way. */
#include "csd_ways.h"

#define TRIAL_BYTES	(4u << 20)

struct tune {
	struct csd_session *session;
	enum csd_way_id way;
	struct csd_task task;
	struct csd_output output;
	struct csd_error *err;
};

static int
tune_pass(struct tune *tune, const struct csd_setting *setting, uint64_t bytes, double *seconds)
{
	double begun = csd_now();
	int rc = csd_ways[tune->way].run(tune->session, setting, &tune->task, bytes, &tune->output, tune->err);

	*seconds = csd_now() - begun;
	return rc;
}

/*
 * The fastest of one setting's passes, after one that is not counted. The fastest and not the median: it is the one
 * that other processes of the machine disturbed least, and each way is to have the best setting there is.
 */
static int
tune_point(struct tune *tune, const struct csd_setting *setting, uint64_t bytes, double *fastest)
{
	uint32_t i;
	double seconds;
	int rc = tune_pass(tune, setting, bytes, fastest);

	for (i = 0; i < tune->session->options->repeats && rc == 0; i++) {
		rc = tune_pass(tune, setting, bytes, &seconds);
		*fastest = i == 0 || seconds < *fastest ? seconds : *fastest;
	}
	return rc;
}

/*
 * How much each pass of the sweep reads: the data set, at most the sample, and less on a slow device, so that the
 * sweep ends within about its budget. The device's speed is taken from a short pass.
 */
static int
tune_choose_sample(struct tune *tune, uint64_t *bytes)
{
	const struct csd_options *options = tune->session->options;
	const struct csd_setting_list *list = &options->settings[tune->way];
	uint32_t passes = list->io_size_count * list->depth_count * (options->repeats + 1);
	uint32_t unit = tune->session->io->block_bytes;
	struct csd_setting largest = { list->io_sizes[list->io_size_count - 1], list->depths[list->depth_count - 1] };
	uint64_t most = csd_dataset_bytes(&tune->session->set);
	uint64_t trial, affordable;
	double seconds = 0;
	int rc;

	*bytes = most < options->sample_bytes ? most : options->sample_bytes / unit * unit;
	*bytes = *bytes > 0 ? *bytes : most;
	trial = *bytes < TRIAL_BYTES ? *bytes : TRIAL_BYTES;
	rc = tune_pass(tune, &largest, trial, &seconds);
	if (rc == 0) {
		rc = tune_pass(tune, &largest, trial, &seconds);
	}
	affordable = (uint64_t)((double)trial / seconds * options->budget_s / passes) / unit * unit;
	affordable = affordable < trial ? trial : affordable;
	*bytes = affordable < *bytes ? affordable : *bytes;
	return rc;
}

/* Times every setting, prints each, and finds the fastest. */
static int
tune_sweep(struct tune *tune, struct csd_json *json, uint64_t bytes, struct csd_setting *best, double *best_rate)
{
	const struct csd_setting_list *list = &tune->session->options->settings[tune->way];
	unsigned int i, j;

	*best_rate = 0;
	for (i = 0; i < list->io_size_count; i++) {
		for (j = 0; j < list->depth_count; j++) {
			struct csd_setting setting = { list->io_sizes[i], list->depths[j] };
			double seconds = 0, rate;
			int rc = tune_point(tune, &setting, bytes, &seconds);

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

static int
tune_run(struct tune *tune, struct csd_json *json)
{
	struct csd_setting best = { 0, 0 };
	double best_rate = 0;
	uint64_t bytes;
	int rc = tune->session->commands != NULL ?
		 csd_drive_check_slot(tune->session, &tune->task, tune->err) : 0;

	if (rc == 0) {
		rc = tune_choose_sample(tune, &bytes);
	}
	if (rc != 0) {
		return rc;
	}
	csd_print_head(tune->session, json, "tune", NULL);
	csd_json_string(json, "way", csd_ways[tune->way].name);
	csd_json_u64(json, "sample_bytes", bytes);
	csd_json_array(json, "sweep");
	rc = tune_sweep(tune, json, bytes, &best, &best_rate);
	csd_json_array_end(json);
	csd_json_object(json, "best");
	csd_json_u64(json, "io_bytes", best.io_bytes);
	csd_json_u64(json, "queue_depth", best.depth);
	csd_json_u64(json, "bytes_per_s", (uint64_t)best_rate);
	csd_json_object_end(json);
	csd_json_object_end(json);
	csd_json_finish(json);
	return rc;
}

int
csd_command_tune(struct csd_session *session, struct csd_json *json, struct csd_error *err)
{
	static struct tune tune;
	const struct csd_options *options = session->options;
	unsigned int level = options->selectivities[0];
	uint64_t matched;
	int rc;

	tune = (struct tune){ .session = session, .way = options->ways[0], .err = err };
	csd_task_init(&tune.task, "threshold", level, &session->set);
	tune.task.slot = options->programs[0].slot;
	matched = csd_dataset_matches(&session->set, csd_selectivities[level].permille) * CSD_RECORD_BYTES;
	rc = csd_output_alloc(&tune.output, matched + session->stream.arena_bytes, err);
	if (rc == 0) {
		rc = tune_run(&tune, json);
	}
	csd_output_free(&tune.output);
	return rc;
}
