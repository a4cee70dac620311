/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What a worker says was checked by csd_executor.c: it may be a lie, but it is in bounds. What comes out of its memory is
 * copied once, and not looked at: it is the program's answer.
 */
#include "csd_run_worker.h"

#include "spdk/env.h"
#include "spdk/util.h"

#include "csd_call.h"
#include "csd_notice.h"

/* In a worker's window: behind the input, what a run begins with. */
#define STATE_AT	CSD_WORKERS_INPUT
#define DATA_AT		(CSD_WORKERS_INPUT + CSD_MAX_STATE_BYTES)
_Static_assert(CSD_MAX_STATE_BYTES + CSD_DATA_BYTES <= CSD_WORKERS_BEGIN, "there is room for both");
_Static_assert(CSD_RING_RANGES + 2 == NVME_CSD_MAX_RANGES, "input and output, and what the program sees besides");

int
csd_run_worker_begin(struct csd_run *run, void (*notify)(void *run))
{
	run->worker_state = calloc(1, spdk_max(run->loaded->info->state_bytes, 1));
	run->wait.owner = csd_workers_owner(spdk_nvmf_request_get_host_nqn(run->req));
	run->wait.notify = notify;
	run->wait.ctx = run;
	return run->worker_state == NULL ? -ENOMEM : 0;
}

void
csd_run_worker_leave(struct csd_run *run)
{
	if (run->workers != NULL) {
		csd_workers_forget(run->workers, &run->wait);
	}
	if (run->wait.worker != NULL) {
		csd_run_tell_rest(run);
		csd_worker_release(run->wait.worker);
		run->wait.worker = NULL;
	}
}

static void
csd_run_worker_gone(struct csd_run *run)
{
	csd_run_tell_end(run);
	switch (run->wait.worker->end) {
	case CSD_WORKER_END_FAULT:
	case CSD_WORKER_END_FORGED:
		csd_run_fail(run, CSD_SCT_VENDOR, CSD_SC_PROGRAM_FAULT);
		break;
	case CSD_WORKER_END_TIME:
		csd_run_fail(run, CSD_SCT_VENDOR, CSD_SC_PROGRAM_TIME);
		break;
	case CSD_WORKER_END_START:
		csd_run_fail(run, SPDK_NVME_SCT_COMMAND_SPECIFIC, NVME_SC_INSUFFICIENT_PROGRAM_RESOURCES);
		break;
	default:
		run->unwanted = true;	/* killed from outside: the host may send it again */
		run->ended = true;
		break;
	}
}

static uint64_t
csd_run_worker_room(const struct csd_run *run)
{
	return run->has_output ? run->output.size - run->output.used : CSD_WORKERS_OUTPUT;
}

/* As much of the input at once as can be: where it lies, or else copied into the worker's window. */
static uint64_t
csd_run_worker_input(const struct csd_run *run, uint64_t left, struct csd_ring_reference *input)
{
	const struct csd_worker *worker = run->wait.worker;
	const uint8_t *from = run->window.bytes + (run->next - run->window.offset);
	uint64_t bytes = spdk_min(left, CSD_WORKERS_SHARED);

	if (csd_pool_refer(run->wait.pool, from, bytes, input)) {
		return bytes;
	}
	bytes = spdk_min(left, CSD_WORKERS_INPUT);
	*input = (struct csd_ring_reference) {worker->window_number, 0, bytes};
	memcpy(worker->window->base, from, bytes);
	return bytes;
}

/* What a run begins with, copied behind the window. */
static void
csd_run_worker_first(const struct csd_run *run, struct csd_ring_request *request)
{
	const struct csd_worker *worker = run->wait.worker;
	uint32_t state_bytes = run->loaded->info->state_bytes;

	request->flags |= CSD_CALL_FIRST;
	if (run->parameters.data_bytes > 0) {
		memcpy(worker->window->base + DATA_AT, run->parameters.data, run->parameters.data_bytes);
	}
	if (run->parameters.state != NULL) {
		request->state = (struct csd_ring_reference) {worker->window_number, STATE_AT, state_bytes};
		memcpy(worker->window->base + STATE_AT, run->parameters.state, state_bytes);
	}
}

/* False: the run has failed. */
static bool
csd_run_worker_refer_ranges(struct csd_run *run, struct csd_ring_request *request)
{
	request->range_count = run->range_count;
	for (uint32_t i = 0; i < run->range_count; i++) {
		if (!csd_pool_refer(run->wait.pool, run->ranges[i].bytes, run->ranges[i].length, &request->ranges[i])) {
			CSD_NOTICE_OF(CSD_NOTICE_PROGRAMS, "slot %u: workers see at most %u memories of a subsystem, each of at most %llu bytes\n",
				      run->pind, CSD_WORKERS_MEMORIES, CSD_LAYOUT_MAX_MEMORY);
			csd_run_fail(run, SPDK_NVME_SCT_COMMAND_SPECIFIC, NVME_SC_INSUFFICIENT_PROGRAM_RESOURCES);
			return false;
		}
	}
	return true;
}

static void
csd_run_worker_ask(struct csd_run *run, uint64_t left, bool last_window)
{
	struct csd_worker *worker = run->wait.worker;
	uint64_t room = spdk_min(csd_run_worker_room(run), CSD_WORKERS_OUTPUT), bytes;
	struct csd_ring_request request = {
		.input_offset = run->next, .output = {worker->output_number, 0, room},
		.data = {worker->window_number, DATA_AT, run->parameters.data_bytes},
		.cparam1 = run->parameters.cparam1, .cparam2 = run->parameters.cparam2,
	};
	bool last;

	if (!csd_run_worker_refer_ranges(run, &request)) {
		return;
	}
	if (!run->begun) {
		csd_run_worker_first(run, &request);
	}
	bytes = csd_run_worker_input(run, left, &request.input);
	last = last_window && bytes == left;
	request.flags |= last ? CSD_CALL_LAST : 0;
	run->asked_bytes = bytes;
	run->asked_room = room;
	run->asked_last = last;
	run->asked_at = spdk_get_ticks();
	run->begun = true;
	csd_worker_ask(worker, &request);
}

/* The state, from where the blob says that it is, if that is so. */
static void
csd_run_worker_take_state(struct csd_run *run)
{
	const struct csd_worker *worker = run->wait.worker;
	uint64_t at = run->loaded->header.state - CSD_BLOB_DATA, bytes = run->loaded->info->state_bytes;

	if (bytes > 0 && run->loaded->header.state != 0 && at <= worker->data->length && bytes <= worker->data->length - at) {
		memcpy(run->worker_state, worker->data->base + at, bytes);
	}
}

static void
csd_run_worker_take(struct csd_run *run, const struct csd_ring_answer *answer)
{
	bool room_was_all = run->asked_room == csd_run_worker_room(run);

	run->ticks += spdk_get_ticks() - run->asked_at;
	run->asked_at = 0;
	csd_run_tell_lines(run, answer);
	run->next += answer->consumed;
	run->records += answer->records;
	run->matches += answer->matches;
	if (run->has_output && answer->emitted > 0) {
		csd_output_write(&run->output, run->output.used, run->wait.worker->output->base, answer->emitted);
		run->output.used += answer->emitted;
	}
	if (answer->end == CSD_CALL_STOPPED) {
		csd_run_end(run, CSD_END_STOPPED);
	} else if (answer->end == CSD_CALL_FULL && run->has_output && room_was_all) {
		csd_run_end(run, CSD_END_FULL);
	} else if (answer->end == CSD_CALL_USED && run->asked_last) {
		csd_run_end(run, CSD_END_WHOLE);
	} else if (answer->consumed == 0 && answer->emitted == 0) {
		/* More input at a time than this there is not, nor room. */
		csd_run_tell_fault(run, CSD_FAULT_FORGED, "it takes nothing of all that it may be given");
		csd_run_fail(run, CSD_SCT_VENDOR, CSD_SC_PROGRAM_FAULT);
	}
	if (run->ended) {
		csd_run_worker_take_state(run);
	}
}

static bool
csd_run_worker_wait(struct csd_run *run)
{
	csd_workers_wait(run->workers, &run->wait);
	return true;
}

bool
csd_run_worker_slice(struct csd_run *run)
{
	struct csd_ring_answer answer;
	uint64_t left;
	bool last_window;

	if (run->wait.worker == NULL) {
		if (!csd_slots_may_begin(run->slots, run->pind)) {
			csd_run_fail(run, SPDK_NVME_SCT_COMMAND_SPECIFIC, NVME_SC_PROGRAM_NOT_ACTIVATED);
			return false;
		}
		run->wait.worker = csd_pool_take(run->wait.pool, run->wait.owner);
		if (run->wait.worker == NULL) {
			return csd_run_worker_wait(run);
		}
	}
	if (run->asked_at != 0) {
		uint64_t most = run->asked_bytes + run->loaded->info->stride_bytes;

		if (csd_worker_answer(run->wait.worker, most, &answer)) {
			csd_run_worker_take(run, &answer);
		} else if (run->wait.worker->state == CSD_WORKER_GONE) {
			csd_run_worker_gone(run);
		} else {
			return csd_run_worker_wait(run);
		}
	}
	if (run->ended || !csd_run_find_window(run, &left, &last_window)) {
		return false;
	}
	if (left == 0) {
		csd_run_end(run, CSD_END_WHOLE);
		csd_run_worker_take_state(run);
		return false;
	}
	csd_run_worker_ask(run, left, last_window);
	return run->ended ? false : csd_run_worker_wait(run);
}
