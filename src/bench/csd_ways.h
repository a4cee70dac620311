/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The three ways to a result: on the host, by scan, and by the standard flow over SLM. */
#ifndef CSD_WAYS_H
#define CSD_WAYS_H

#include "csd_session.h"
#include "csd_task.h"

/* Runs the task over [0, bytes) of the data set once. 0, or negative with `err`. */
typedef int (*csd_way_run)(struct csd_session *session, const struct csd_setting *setting, const struct csd_task *task,
			   uint64_t bytes, struct csd_output *output, struct csd_error *err);

struct csd_way {
	const char *name;
	bool on_drive;
	csd_way_run run;
};

/* By enum csd_way_id of csd_options.h. */
extern const struct csd_way csd_ways[];

/* Reads everything, as many reads under way as the depth says, and runs the native program over it. */
int csd_way_baseline(struct csd_session *session, const struct csd_setting *setting, const struct csd_task *task,
		     uint64_t bytes, struct csd_output *output, struct csd_error *err);

/*
 * Scan commands over ranges of io_bytes, `depth` of them at a time; a range whose result buffer became full goes on
 * where it stopped. The results are put together in the order of the data set.
 */
int csd_way_offload(struct csd_session *session, const struct csd_setting *setting, const struct csd_task *task,
		    uint64_t bytes, struct csd_output *output, struct csd_error *err);

/* SLM Copy, Execute Program, SLM Read over chunks of io_bytes, `depth` of them at different steps at a time. */
int csd_way_slm(struct csd_session *session, const struct csd_setting *setting, const struct csd_task *task,
		uint64_t bytes, struct csd_output *output, struct csd_error *err);

/* Memory that one chunk takes in SLM, or on this host. */
uint64_t csd_slm_lane_bytes(uint64_t chunk_bytes, bool in_slm);

/* What runs on the host over the data in pieces, in order: the timed part of the baseline, and the known answer. */
struct csd_host_run {
	const struct csd_task *task;
	struct csd_output *output;
	uint64_t bytes;			/* of the data set; what lies behind is not looked at */
	uint8_t tail[2 * CSD_SEARCH_MAX_PATTERN];
	uint32_t tail_bytes;		/* the last bytes of the piece before, into which matches of this one reach back */
};

void csd_host_begin(struct csd_host_run *run, const struct csd_task *task, uint64_t bytes, struct csd_output *output);
int csd_host_piece(void *ctx, uint64_t offset, uint8_t *data, uint32_t bytes, struct csd_error *err);

/*
 * Checks a result's header against the program and the buffer's room; the state and the kept items follow it.
 * `begun`: where the command's input began, for the message.
 */
int csd_result_check(const struct csd_result *result, const struct csd_task *task, uint64_t room, uint64_t begun,
		     struct csd_error *err);

/* "scan of program 0 (threshold)": fails with what the drive answered. */
int csd_command_failed(const struct csd_session *session, const char *what, const struct csd_task *task, int status,
		       uint16_t nvme_status, struct csd_error *err);

double csd_now(void);

/* Memory for a result, touched. */
int csd_output_alloc(struct csd_output *output, uint64_t bytes, struct csd_error *err);
void csd_output_free(struct csd_output *output);

/* What every measurement's JSON begins with. */
void csd_print_head(struct csd_session *session, struct csd_json *json, const char *command, const char *sha256);

#endif
