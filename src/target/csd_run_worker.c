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
#include "csd_object.h"

/* In a worker's window: behind the input, what a run begins with. */
#define STATE_AT	CSD_WORKERS_INPUT
#define DATA_AT		(CSD_WORKERS_INPUT + CSD_MAX_STATE_BYTES)
_Static_assert(CSD_MAX_STATE_BYTES + CSD_DATA_BYTES <= CSD_WORKERS_BEGIN, "there is room for both");
_Static_assert(CSD_RING_RANGES == CSD_MAX_RANGES, "a program can name all that it may see");
_Static_assert(CSD_MAX_KEPT_BYTES <= CSD_MAX_WRITABLE_BYTES, "csd_copies takes all that maps keep");
_Static_assert(CSD_RING_RANGES + 2 == NVME_CSD_MAX_RANGES, "input and output, and what the program sees besides");

int
csd_run_worker_begin(struct csd_run *run, void (*notify)(void *run))
{
	const struct csd_kept *kept = run->loaded->kept;

	if (kept != NULL) {
		csd_copies_add(&run->kept, 0, kept->bytes, kept->length);
	}
	run->worker_state = calloc(1, spdk_max(run->loaded->info.state_bytes, 1));
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
		csd_run_report_rest(run);
		csd_worker_release(run->wait.worker);
		run->wait.worker = NULL;
	}
}

static void
csd_run_worker_gone(struct csd_run *run)
{
	csd_run_report_end(run);
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
		run->interrupted = true;	/* killed from outside: the host may send it again */
		run->ended = true;
		break;
	}
}

/* The host's room that is left. */
static uint64_t
csd_run_worker_left(const struct csd_run *run)
{
	return run->has_output ? run->output.size - run->output.used : CSD_WORKERS_OUTPUT;
}

/* What of it no part has been promised. */
static uint64_t
csd_run_worker_room(const struct csd_run *run)
{
	uint64_t room = csd_run_worker_left(run);

	for (uint32_t i = 0; run->has_output && i < run->parts; i++) {
		room -= run->part[(run->oldest + i) % CSD_WORKERS_PARTS].room;
	}
	return room;
}

/* As much of the input at once as can be: where it lies, or else copied into the worker's window. */
static void
csd_run_worker_find_input(struct csd_run *run, uint64_t left)
{
	const struct csd_worker *worker = run->wait.worker;
	const uint8_t *from = run->window.bytes + (run->next - run->window.offset);
	uint64_t bytes = spdk_min(left, CSD_WORKERS_SHARED);

	run->asked_from = run->next;
	if (!csd_pool_refer(run->wait.pool, from, bytes, &run->asked)) {
		bytes = spdk_min(left, CSD_WORKERS_INPUT);
		run->asked = (struct csd_ring_reference) {worker->window_number, 0, bytes};
		memcpy(worker->window->base, from, bytes);
	}
}

/* What a run begins with, copied behind the window. */
static void
csd_run_worker_first(const struct csd_run *run, struct csd_ring_request *request)
{
	const struct csd_worker *worker = run->wait.worker;
	uint32_t state_bytes = run->loaded->info.state_bytes;

	request->flags |= CSD_CALL_FIRST;
	if (run->parameters.data_bytes > 0) {
		memcpy(worker->window->base + DATA_AT, run->parameters.data, run->parameters.data_bytes);
	}
	if (run->parameters.state != NULL) {
		request->state = (struct csd_ring_reference) {worker->window_number, STATE_AT, state_bytes};
		memcpy(worker->window->base + STATE_AT, run->parameters.state, state_bytes);
	}
}

int
csd_run_take_ranges(struct csd_run *run, const struct csd_range_memory *memory, uint32_t count, struct csd_refusal *refusal)
{
	uint32_t writable = run->loaded->object->writable;

	for (; run->range_count + 2 < count; run->range_count++) {
		run->ranges[run->range_count] = memory[run->range_count + 2];
	}
	for (uint32_t i = 0; i < run->range_count; i++) {
		if ((writable & CSD_RANGE(i)) != 0 && !csd_copies_add(&run->copies, i, run->ranges[i].bytes, run->ranges[i].length)) {
			return csd_refuse_specific(refusal, NVME_SC_INVALID_MEMORY_RANGE_SET,
						   "memory range %u: %" PRIu64 " bytes and %" PRIu64 " before them: a program writes to at most %u",
						   i + 2, run->ranges[i].length, run->copies.bytes, CSD_MAX_WRITABLE_BYTES);
		}
	}
	return 0;
}

/* A slice of what outlives the run, between ranges and copies, then between its program's maps and theirs. False: all is done. */
static bool
csd_run_worker_copy(struct csd_run *run, bool back)
{
	const struct csd_worker *worker = run->wait.worker;
	bool more;

	if (run->kept_next) {
		more = csd_copies_move(&run->kept, worker->data->base + (run->loaded->header.kept - CSD_BLOB_DATA), back);
	} else {
		more = csd_copies_move(&run->copies, worker->output->base + CSD_WORKERS_COPIES, back);
	}
	if (!more) {
		run->kept_next = !run->kept_next && run->kept.count > 0;
	}
	run->copying = more || run->kept_next;
	return run->copying;
}

/* False: the run has failed. */
static bool
csd_run_worker_refer_ranges(struct csd_run *run, struct csd_ring_request *request)
{
	request->range_count = run->range_count;
	for (uint32_t i = 0; i < run->range_count; i++) {
		const struct csd_copy *copy = csd_copies_of(&run->copies, i);

		if (copy != NULL) {
			request->ranges[i] = (struct csd_ring_reference) {
				run->wait.worker->output_number, CSD_WORKERS_COPIES + copy->at, copy->length,
			};
		} else if (!csd_pool_refer(run->wait.pool, run->ranges[i].bytes, run->ranges[i].length, &request->ranges[i])) {
			CSD_NOTICE_OF(CSD_NOTICE_PROGRAMS, "slot %u: workers see at most %u memories of a subsystem, each of at most %llu bytes\n",
				      run->pind, CSD_WORKERS_MEMORIES, CSD_LAYOUT_MAX_MEMORY);
			csd_run_fail(run, SPDK_NVME_SCT_COMMAND_SPECIFIC, NVME_SC_INSUFFICIENT_PROGRAM_RESOURCES);
			return false;
		}
	}
	return true;
}

/*
 * Asks for what was found from the next byte on: for as much as there is room for. `chained`: that byte is the first of the part
 * before, which is under way. That comes to the same end of the input.
 */
static void
csd_run_worker_ask(struct csd_run *run, bool last, bool chained)
{
	struct csd_worker *worker = run->wait.worker;
	uint32_t at = (run->oldest + run->parts) % CSD_WORKERS_PARTS;
	uint64_t room = spdk_min(csd_run_worker_room(run), CSD_WORKERS_OUTPUT), done = run->next - run->asked_from;
	struct csd_ring_request request = {
		.flags = (last ? CSD_CALL_LAST : 0) | (chained ? CSD_RING_CHAINED : 0), .input_offset = run->next,
		.input = {run->asked.memory, run->asked.offset + done, run->asked.length - done},
		.output = {worker->output_number, at * CSD_WORKERS_OUTPUT, room},
		.data = {worker->window_number, DATA_AT, run->parameters.data_bytes},
		.cparam1 = run->parameters.cparam1, .cparam2 = run->parameters.cparam2,
	};

	if (!csd_run_worker_refer_ranges(run, &request)) {
		return;
	}
	if (!run->begun) {
		csd_run_worker_first(run, &request);
		run->begun = true;
	}
	/* Before it is asked: a worker that shares our CPU may have answered when the call returns. */
	run->asked_at = run->parts == 0 ? spdk_get_ticks() : run->asked_at;
	csd_worker_ask(worker, &request);	/* false: it is no more, as is seen next */
	run->part[at] = (struct csd_run_part) {.bytes = request.input.length, .room = room, .last = last, .chained = chained};
	run->parts++;
}

/* Whether the part that was asked for last may want more room than it has, and the host has as much again. */
static bool
csd_run_worker_may_go_on(const struct csd_run *run)
{
	const struct csd_program_info *info = &run->loaded->info;
	const struct csd_run_part *part = &run->part[(run->oldest + run->parts - 1) % CSD_WORKERS_PARTS];
	uint64_t most = info->emit_bytes > 0 ? (part->bytes / info->stride_bytes + 1) * info->emit_bytes : part->bytes;

	return run->has_output && run->parts < CSD_WORKERS_PARTS && !run->ended && most > part->room &&
	       csd_run_worker_room(run) >= CSD_WORKERS_OUTPUT;
}

/* The state, from where the blob says that it is, if that is so. */
static void
csd_run_worker_take_state(struct csd_run *run)
{
	const struct csd_worker *worker = run->wait.worker;
	uint64_t at = run->loaded->header.state - CSD_BLOB_DATA, bytes = run->loaded->info.state_bytes;

	if (bytes > 0 && run->loaded->header.state != 0 && at <= worker->data->length && bytes <= worker->data->length - at) {
		memcpy(run->worker_state, worker->data->base + at, bytes);
	}
}

/* Why a run that cannot go on has to end; false: it can. */
static bool
csd_run_worker_is_whole(struct csd_run *run, const struct csd_run_part *part, const struct csd_ring_answer *answer, bool all_room)
{
	if (answer->end == CSD_CALL_STOPPED) {
		run->end = CSD_END_STOPPED;
	} else if (answer->end == CSD_CALL_FULL && run->has_output && all_room) {
		run->end = CSD_END_FULL;
	} else if (answer->end == CSD_CALL_USED && part->last) {
		run->end = CSD_END_WHOLE;
	} else {
		return false;
	}
	return true;
}

static void
csd_run_worker_take(struct csd_run *run, const struct csd_ring_answer *answer)
{
	const struct csd_run_part part = run->part[run->oldest];
	uint64_t now = spdk_get_ticks(), place = run->oldest * CSD_WORKERS_OUTPUT;
	bool all_room;

	csd_run_report_lines(run, answer);
	run->ticks += now - run->asked_at;
	run->asked_at = now;
	run->oldest = (run->oldest + 1) % CSD_WORKERS_PARTS;
	run->parts--;
	if (answer->end == CSD_RING_SKIPPED || run->answered) {
		return;
	}
	if (run->parts > 0) {
		run->part[run->oldest].bytes -= spdk_min(answer->consumed, run->part[run->oldest].bytes);
	}
	all_room = part.room == csd_run_worker_left(run);
	run->next += answer->consumed;
	run->records += answer->records;
	run->matches += answer->matches;
	if (run->has_output && answer->emitted > 0) {
		csd_output_write(&run->output, run->output.used, run->wait.worker->output->base + place, answer->emitted);
		run->output.used += answer->emitted;
	}
	run->answered = csd_run_worker_is_whole(run, &part, answer, all_room);
	if (!run->answered && !part.chained && answer->consumed == 0 && answer->emitted == 0) {
		/* More input at a time than this there is not, nor room. */
		csd_run_report_fault(run, CSD_FAULT_FORGED, "it takes nothing of all that it may be given");
		csd_run_fail(run, CSD_SCT_VENDOR, CSD_SC_PROGRAM_FAULT);
	}
}

static bool
csd_run_worker_wait(struct csd_run *run)
{
	csd_workers_wait(run->workers, &run->wait);
	return true;
}

/* Takes what there is; copies it while the worker goes on. True: it has to be waited for more. */
static bool
csd_run_worker_hear(struct csd_run *run)
{
	while (run->parts > 0 && !run->ended) {
		const struct csd_run_part *part = &run->part[run->oldest];
		bool last = part->last;
		struct csd_ring_answer answer;

		if (csd_worker_answer(run->wait.worker, part->bytes + run->loaded->info.stride_bytes, &answer)) {
			csd_run_worker_take(run, &answer);
			/* An item that found no room at all is asked for with all that there is: not ahead. */
			if (!run->answered && run->parts > 0 && answer.emitted > 0 && csd_run_worker_may_go_on(run)) {
				csd_run_worker_ask(run, last, true);
			}
		} else if (run->wait.worker->state == CSD_WORKER_GONE) {
			run->parts = 0;
			if (!run->answered) {
				csd_run_worker_gone(run);
			}
		} else {
			return true;
		}
	}
	return false;
}

bool
csd_run_worker_slice(struct csd_run *run)
{
	uint64_t left;
	bool last_window, last;

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
	if (!run->filled) {
		if (csd_run_worker_copy(run, false)) {
			return false;
		}
		run->filled = true;
	}
	if (csd_run_worker_hear(run)) {
		return csd_run_worker_wait(run);
	}
	if (!run->ended && !run->answered) {
		if (!csd_run_find_window(run, &left, &last_window)) {
			return false;
		}
		if (left > 0) {
			csd_run_worker_find_input(run, left);
			last = last_window && run->asked.length == left;
			csd_run_worker_ask(run, last, false);
			if (run->parts > 0 && csd_run_worker_may_go_on(run)) {
				csd_run_worker_ask(run, last, true);
			}
			return run->ended ? false : csd_run_worker_wait(run);
		}
		run->end = CSD_END_WHOLE;
		run->answered = true;
	}
	if (!run->ended) {
		/* Not before its last part is answered: from here on it cannot fail, nor be aborted. */
		run->stores = run->begun;
		if (run->stores && csd_run_worker_copy(run, true)) {
			return false;
		}
		csd_run_worker_take_state(run);
		run->ended = true;
	}
	return false;
}
