/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_run_worker.h"

#include "spdk/env.h"
#include "spdk/util.h"
#include "spdk_internal/log.h"

struct csd_run *
csd_run_create(struct spdk_nvmf_request *req)
{
	struct csd_run *run = calloc(1, sizeof(*run));

	if (run != NULL) {
		run->req = req;
	}
	return run;
}

void
csd_run_fail(struct csd_run *run, uint8_t status_code_type, uint8_t status_code)
{
	run->failed = true;
	run->ended = true;
	run->status_code_type = status_code_type;
	run->status_code = status_code;
}

void
csd_run_start(struct csd_run *run, void (*notify)(void *run))
{
	csd_count(&run->slots->slot[run->pind].statistics.runs, 1);
	if (csd_run_worker_begin(run, notify) != 0) {
		csd_run_fail(run, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INTERNAL_DEVICE_ERROR);
		return;
	}
	if (run->reads && run->length > 0) {
		run->input.notify = notify;
		run->input.ctx = run;
		run->reader = csd_reader_open(&run->input);
		if (run->reader == NULL) {
			csd_run_fail(run, SPDK_NVME_SCT_COMMAND_SPECIFIC, NVME_SC_INSUFFICIENT_PROGRAM_RESOURCES);
		}
	}
}

bool
csd_run_find_window(struct csd_run *run, uint64_t *left, bool *last_window)
{
	uint32_t record_bytes = run->loaded->info.record_bytes;
	int status_code_type, status_code;

	for (;;) {
		uint64_t stop;

		if (run->reader != NULL && !csd_reader_window(run->reader, &run->window)) {
			if (csd_reader_failed(run->reader, &status_code_type, &status_code)) {
				csd_run_fail(run, (uint8_t)status_code_type, (uint8_t)status_code);
			}
			return false;
		}
		stop = run->window.offset + run->window.length;
		*last_window = stop == run->length;
		*left = stop > run->next ? stop - run->next : 0;
		if (*last_window || *left >= record_bytes) {
			return true;
		}
		csd_reader_advance(run->reader);
	}
}

enum csd_run_state
csd_run_slice(struct csd_run *run)
{
	/* Half of what a program wrote is nothing that anybody wants. */
	if (!run->ended && !run->stores && !csd_request_wanted(run->req)) {
		run->interrupted = true;
	}
	if (run->aborted || run->interrupted) {
		run->ended = true;
	}
	if (!run->ended && csd_run_worker_slice(run)) {
		return CSD_RUN_WAITS;
	}
	if (run->ended) {
		csd_run_worker_leave(run);
		if (run->reader != NULL && !csd_reader_close(run->reader)) {
			return CSD_RUN_WAITS;
		}
		run->reader = NULL;
		return CSD_RUN_ENDED;
	}
	if (!run->copying && run->reader != NULL && !csd_reader_window(run->reader, &run->window)) {
		return CSD_RUN_WAITS;
	}
	return CSD_RUN_READY;
}

static uint64_t
csd_run_nanoseconds(uint64_t ticks)
{
	uint64_t hz = spdk_get_ticks_hz();

	return ticks / hz * 1000000000 + ticks % hz * 1000000000 / hz;
}

static void
csd_run_count(const struct csd_run *run, const struct csd_result *result)
{
	struct csd_statistics *statistics = &run->slots->slot[run->pind].statistics;

	csd_count(&statistics->records, result->records);
	csd_count(&statistics->matches, result->matches);
	csd_count(&statistics->scanned_bytes, spdk_min(result->next, run->length));
	csd_count(&statistics->nanoseconds, result->nanoseconds);
	if (run->aborted || run->interrupted) {
		csd_count(&statistics->aborted, 1);
	} else if (run->failed) {
		csd_count(&statistics->failed, 1);
	} else {
		csd_count(&statistics->returned_bytes, result->state_bytes + result->data_bytes);
	}
}

static void
csd_run_write_result(struct csd_run *run, const struct csd_result *result)
{
	if (run->has_output) {
		csd_output_write(&run->output, 0, result, sizeof(*result));
		csd_output_write(&run->output, sizeof(*result), run->worker_state, result->state_bytes);
	}
	if (run->state_output != NULL) {
		memcpy(run->state_output, run->worker_state, result->state_bytes);
	}
}

void
csd_run_discard(struct csd_run *run)
{
	if (run->loaded != NULL) {
		csd_slots_release(run->slots, run->pind, run->loaded);
	}
	if (run->sets != NULL) {
		csd_range_sets_release(run->sets, run->rsid);
	}
	free(run->worker_state);
	free(run);
}

void
csd_run_finish(struct csd_run *run)
{
	uint32_t state_bytes = run->loaded->info.state_bytes;
	struct csd_result result = {
		.magic = CSD_RESULT_MAGIC,
		.version = 1,
		.end = (uint16_t)run->end,
		.records = run->records,
		.matches = run->matches,
		.next = run->next,
		.input_bytes = run->length,
		.state_bytes = state_bytes,
		.data_bytes = run->has_output ? (uint32_t)(run->output.used - sizeof(result) - state_bytes) : 0,
		/* Of several workers on a CPU each waits for the others; and while it spins for its next part, it does not work. */
		.nanoseconds = spdk_min(csd_run_nanoseconds(run->ticks), run->cpu_nanoseconds),
	};
	struct spdk_nvmf_request *req = run->req;

	if (run->started) {
		csd_run_count(run, &result);
	}
	if (run->aborted) {
		csd_run_discard(run);
		csd_send(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_ABORTED_BY_REQUEST);
	} else if (run->interrupted) {
		csd_run_discard(run);
		csd_send_interrupted(req);
	} else if (run->failed) {
		uint8_t status_code_type = run->status_code_type, status_code = run->status_code;

		csd_run_discard(run);
		csd_send(req, status_code_type, status_code);
	} else {
		csd_run_write_result(run, &result);
		run->answer(run, &result);
	}
}
