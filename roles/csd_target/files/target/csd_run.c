/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_run_worker.h"

#include "spdk/env.h"
#include "spdk/util.h"
#include "spdk_internal/log.h"

/*
 * A slice ends after this, so that the thread's other work waits no longer; the clock is looked at about five times in
 * it. How many records fit between two looks is learned, beginning with a few: a program may take microseconds for one.
 */
#define SLICE_MICROSECONDS	500
#define STEP_MICROSECONDS	100
#define FIRST_STEP_RECORDS	64
/*
 * However cheap the records so far were, the next ones may each take the program's dearest way: as many as then take
 * this long are the most between two looks.
 */
#define LONGEST_STEP_NS		500000

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

static uint64_t
csd_run_most_records(const struct csd_run *run)
{
	return spdk_max(LONGEST_STEP_NS / spdk_max(run->loaded->info->longest_ns, 1), 1);
}

void
csd_run_start(struct csd_run *run, uint8_t *sink, void (*notify)(void *run))
{
	run->step_records = spdk_min(FIRST_STEP_RECORDS, csd_run_most_records(run));
	run->sink = sink;
	csd_count(&run->slots->slot[run->pind].statistics.runs, 1);
	if (run->instance == NULL ? csd_run_worker_begin(run, notify) != 0 :
				    csd_instance_begin(run->instance, &run->parameters) != 0) {
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

static void
csd_run_end(struct csd_run *run, enum csd_result_end how)
{
	run->end = how;
	run->ended = true;
}

/* As much of the window from the next record on as should take a step's time; all of it, if little is left. */
static uint64_t
csd_run_region_bytes(const struct csd_run *run, uint64_t left)
{
	const struct csd_program_info *info = run->loaded->info;
	uint64_t bytes = (run->step_records - 1) * info->stride_bytes + info->record_bytes;

	return spdk_min(bytes, left);
}

static void
csd_run_learn(struct csd_run *run, uint64_t records, uint64_t ticks)
{
	uint64_t step = spdk_get_ticks_hz() / 1000000 * STEP_MICROSECONDS;

	if (ticks > 2 * step) {
		run->step_records = spdk_max(run->step_records / 4, 1);
	} else if (records == run->step_records && ticks < step / 2) {
		run->step_records = spdk_min(run->step_records * 4, csd_run_most_records(run));
	}
}

/* Runs over one region of the window; `left` bytes of it are not used yet. */
static void
csd_run_region(struct csd_run *run, uint64_t left, bool last_window)
{
	uint32_t emit_bytes = run->loaded->info->emit_bytes;
	uint64_t bytes = csd_run_region_bytes(run, left), started;
	struct csd_slice slice = {
		.region = run->window.bytes + (run->next - run->window.offset),
		.region_bytes = bytes,
		.region_offset = run->next,
		.out = run->sink,
		.out_bytes = CSD_SINK_BYTES,
		.last = last_window && bytes == left,
	};
	enum csd_slice_end how;

	if (run->has_output && emit_bytes > 0) {
		slice.out_bytes = csd_output_room(&run->output, emit_bytes, &slice.out);
	}
	/* A search may look at a window more for each match: what it has room for is bounded as well. */
	slice.out_bytes = spdk_min(slice.out_bytes, spdk_max(run->step_records, 1) * emit_bytes);
	started = spdk_get_ticks();
	how = csd_instance_run(run->instance, &slice);
	started = spdk_get_ticks() - started;
	run->ticks += started;
	csd_run_learn(run, slice.records, started);

	run->next += slice.consumed;
	run->records += slice.records;
	run->matches += slice.matches;
	if (run->has_output && emit_bytes > 0) {
		csd_output_took(&run->output, slice.emitted_bytes);
	}
	if (how == CSD_SLICE_STOPPED) {
		csd_run_end(run, CSD_END_STOPPED);
	} else if (how == CSD_SLICE_FULL) {
		/* Perhaps only this piece of the output is. */
		if (run->has_output && csd_output_room(&run->output, emit_bytes, &slice.out) == 0) {
			csd_run_end(run, CSD_END_FULL);
		} else if (slice.consumed == 0 && slice.out_bytes >= emit_bytes) {
			csd_run_fail(run, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INTERNAL_DEVICE_ERROR);
		}
	} else if (slice.last) {
		csd_run_end(run, CSD_END_WHOLE);
	} else if (slice.consumed == 0) {
		SPDK_ERRLOG("slot %u: the engine sees no record in %" PRIu64 " bytes\n", run->pind, bytes);
		csd_run_fail(run, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INTERNAL_DEVICE_ERROR);
	}
}

bool
csd_run_find_window(struct csd_run *run, uint64_t *left, bool *last_window)
{
	uint32_t record_bytes = run->loaded->info->record_bytes;
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

static void
csd_run_do_slice(struct csd_run *run)
{
	uint64_t deadline = spdk_get_ticks() + spdk_get_ticks_hz() / 1000000 * SLICE_MICROSECONDS;
	uint64_t left;
	bool last_window;

	do {
		if (!csd_run_find_window(run, &left, &last_window)) {
			return;
		}
		if (left == 0) {
			csd_run_end(run, CSD_END_WHOLE);
			return;
		}
		csd_run_region(run, left, last_window);
	} while (!run->ended && spdk_get_ticks() < deadline);
}

enum csd_run_state
csd_run_slice(struct csd_run *run)
{
	/* Half of what a program wrote is nothing that anybody wants. */
	if (!run->ended && !run->stores && !csd_request_wanted(run->req)) {
		run->unwanted = true;
	}
	if (run->aborted || run->unwanted) {
		run->ended = true;
	}
	if (!run->ended && run->instance == NULL && run->started) {
		if (csd_run_worker_slice(run)) {
			return CSD_RUN_WAITS;
		}
	} else if (!run->ended) {
		csd_run_do_slice(run);
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
	if (run->instance != NULL) {
		csd_count(&statistics->cpu_nanoseconds, result->nanoseconds);
	}
	if (run->aborted || run->unwanted) {
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
	const void *state = run->instance != NULL ? csd_instance_state(run->instance) : run->worker_state;

	if (run->has_output) {
		csd_output_write(&run->output, 0, result, sizeof(*result));
		csd_output_write(&run->output, sizeof(*result), state, result->state_bytes);
	}
	if (run->state_output != NULL) {
		memcpy(run->state_output, state, result->state_bytes);
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
	free(run->output.bounce);
	free(run->worker_state);
	free(run);
}

void
csd_run_finish(struct csd_run *run)
{
	uint32_t state_bytes = run->loaded->info->state_bytes;
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
		.nanoseconds = csd_run_nanoseconds(run->ticks),
	};
	struct spdk_nvmf_request *req = run->req;

	if (run->started) {
		csd_run_count(run, &result);
	}
	if (run->aborted) {
		csd_run_discard(run);
		csd_send(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_ABORTED_BY_REQUEST);
	} else if (run->unwanted) {
		csd_run_discard(run);
		csd_send_unwanted(req);
	} else if (run->failed) {
		uint8_t status_code_type = run->status_code_type, status_code = run->status_code;

		csd_run_discard(run);
		csd_send(req, status_code_type, status_code);
	} else {
		csd_run_write_result(run, &result);
		run->answer(run, &result);
	}
}
