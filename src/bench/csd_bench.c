/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Writes and verifies the data set, and measures what is done with it. See csd_options.c for what it understands. */
#include "csd_session.h"

#include <signal.h>

static int
bench_run_answer(const struct csd_options *options, struct csd_json *json)
{
	struct csd_dataset set;
	struct csd_answer answer;
	unsigned int i;

	csd_dataset_init(&set, options->records, options->seed);
	csd_answer_compute(&set, &answer);
	csd_json_object(json, NULL);
	csd_json_string(json, "command", "answer");
	csd_json_u64(json, "format", CSD_RECORD_FORMAT);
	csd_json_u64(json, "records", set.records);
	csd_json_u64(json, "seed", set.seed);
	csd_json_u64(json, "bytes", csd_dataset_bytes(&set));
	csd_json_string(json, "sha256", answer.sha256);
	csd_json_array(json, "selectivities");
	for (i = 0; i < CSD_SELECTIVITIES; i++) {
		csd_json_object(json, NULL);
		csd_json_raw(json, "selectivity", csd_selectivities[i].name);
		csd_json_i64(json, "threshold", csd_selectivities[i].threshold);
		csd_json_u64(json, "matches", answer.at[i].matches);
		csd_json_string(json, "matches_sha256", answer.at[i].sha256);
		csd_json_object_end(json);
	}
	csd_json_array_end(json);
	csd_json_object_end(json);
	csd_json_finish(json);
	return 0;
}

static int
bench_run_on_device(const struct csd_options *options, struct csd_json *json, struct csd_error *err)
{
	struct csd_session session;
	int rc = csd_session_open(&session, options, err);

	if (rc != 0) {
		return rc;
	}
	switch (options->command) {
	case CSD_WRITE:
		rc = csd_command_write(&session, json, err);
		break;
	case CSD_VERIFY:
		rc = csd_command_verify(&session, json, err);
		break;
	case CSD_MEASURE:
		rc = csd_command_measure(&session, json, err);
		break;
	case CSD_PHASES:
		rc = csd_command_phases(&session, json, err);
		break;
	case CSD_WORKERS:
		rc = csd_command_workers(&session, json, err);
		break;
	default:
		rc = csd_command_tune(&session, json, err);
		break;
	}
	csd_session_close(&session);
	return rc;
}

int
main(int argc, char **argv)
{
	struct csd_options options;
	struct csd_error err = { 0 };
	struct csd_json json;
	int rc;

	signal(SIGPIPE, SIG_IGN);	/* a target that goes away is an error with a text, not a silent end */
	csd_json_init(&json, stdout);
	rc = csd_options_parse(argc, argv, &options, &err);
	if (rc == 0 && options.command == CSD_HELP) {
		csd_options_usage(stdout);
	} else if (rc == 0 && options.command == CSD_ANSWER) {
		rc = bench_run_answer(&options, &json);
	} else if (rc == 0) {
		rc = bench_run_on_device(&options, &json, &err);
	}
	if (rc != 0) {
		csd_error_print(&err, stderr);
	}
	return -rc;
}
