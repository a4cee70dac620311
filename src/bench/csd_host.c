/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The baseline: everything is read, and the program runs natively on this host. */
#include "csd_ways.h"

#include <string.h>
#include <time.h>

#define SEARCH_STEP	(64u << 10)	/* a search finds at most as many places: bounds what one call emits */

const struct csd_way csd_ways[] = {
	[CSD_WAY_BASELINE] = { "baseline", false, csd_way_baseline },
	[CSD_WAY_OFFLOAD] = { "offload", true, csd_way_offload },
	[CSD_WAY_SLM] = { "slm", true, csd_way_slm },
};

double
csd_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void
csd_host_begin(struct csd_host_run *run, const struct csd_task *task, uint64_t bytes, struct csd_output *output)
{
	run->task = task;
	run->output = output;
	run->bytes = bytes;
	run->tail_bytes = 0;
	csd_output_reset(output);
}

/* Whole records: straight into the output. */
static int
host_run_records(struct csd_host_run *run, uint64_t offset, const uint8_t *data, uint64_t bytes, struct csd_error *err)
{
	struct csd_output *output = run->output;
	uint64_t emitted = 0;

	if (run->task->emit_bytes > 0 && bytes > output->capacity - output->bytes) {
		return csd_output_append(output, run->task, offset, run->bytes, data, bytes, err);	/* says so */
	}
	output->matches += run->task->native->run(data, bytes, &run->task->parameters, output->state,
						  output->data + output->bytes, &emitted);
	output->bytes += emitted;
	return 0;
}

/* Places that begin in [offset, end) of the data set; the input may go on behind. */
static int
host_run_search(struct csd_host_run *run, uint64_t offset, uint64_t end, const uint8_t *data, uint64_t bytes,
		struct csd_error *err)
{
	static uint8_t found[(SEARCH_STEP + CSD_SEARCH_MAX_PATTERN) * sizeof(uint64_t)];
	uint64_t step;

	for (step = 0; step < bytes; step += SEARCH_STEP) {
		uint64_t length = bytes - step;
		uint64_t step_end = offset + step + SEARCH_STEP;
		uint64_t emitted = 0;
		int rc;

		length = length < SEARCH_STEP + run->task->overlap ? length : SEARCH_STEP + run->task->overlap;
		run->task->native->run(data + step, length, &run->task->parameters, run->output->state, found, &emitted);
		rc = csd_output_append(run->output, run->task, offset + step, step_end < end ? step_end : end, found,
				       emitted, err);
		if (rc != 0) {
			return rc;
		}
	}
	return 0;
}

/* Places that begin in the piece before and end in this one; then the piece itself. */
static int
host_run_windows(struct csd_host_run *run, uint64_t offset, const uint8_t *data, uint64_t bytes, struct csd_error *err)
{
	uint32_t overlap = run->task->overlap;
	uint32_t more = bytes < overlap ? (uint32_t)bytes : overlap;
	int rc = 0;

	memcpy(run->tail + run->tail_bytes, data, more);
	if (run->tail_bytes > 0) {
		rc = host_run_search(run, offset - run->tail_bytes, offset, run->tail, run->tail_bytes + more, err);
	}
	if (rc == 0) {
		rc = host_run_search(run, offset, offset + bytes, data, bytes, err);
	}
	if (bytes >= overlap) {
		memcpy(run->tail, data + bytes - overlap, overlap);
		run->tail_bytes = overlap;
	} else {		/* only the last piece may be so short */
		run->tail_bytes = 0;
	}
	return rc;
}

int
csd_host_piece(void *ctx, uint64_t offset, uint8_t *data, uint32_t bytes, struct csd_error *err)
{
	struct csd_host_run *run = ctx;
	uint64_t rest = offset < run->bytes ? run->bytes - offset : 0;
	uint64_t length = bytes < rest ? bytes : rest;

	if (run->task->overlap > 0) {
		return host_run_windows(run, offset, data, length, err);
	}
	return host_run_records(run, offset, data, length, err);
}

int
csd_way_baseline(struct csd_session *session, const struct csd_setting *setting, const struct csd_task *task,
		 uint64_t bytes, struct csd_output *output, struct csd_error *err)
{
	uint32_t block_bytes = session->io->block_bytes;
	struct csd_host_run run;

	csd_host_begin(&run, task, bytes, output);
	return csd_stream_read(&session->stream, setting, (bytes + block_bytes - 1) / block_bytes * block_bytes,
			       csd_host_piece, &run, err);
}
