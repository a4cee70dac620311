/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Offload: the program runs in the drive by scan commands; only what it selects travels. */
#include "csd_ways.h"

#include "nvme_csd.h"

#include <errno.h>
#include <string.h>

#define MAX_RESULTS	(2 * CSD_MAX_DEPTH)
#define MAX_WINDOW	(2 * CSD_MAX_DEPTH)
#define NO_RESULT	UINT32_MAX

/* A range of the data set: at most one command at a time, each going on where the one before stopped. */
struct range {
	uint64_t start;			/* of the next command */
	uint64_t end;			/* of what belongs to the range; its commands may look at the overlap behind */
	bool busy;
	bool done;			/* no command is left to send */
	uint32_t first, last;		/* its results that were not taken over yet, in order */
};

struct result {
	uint64_t start;			/* of the command's input */
	uint64_t end;			/* of its range */
	uint32_t range;			/* slot in the window */
	uint32_t next;			/* of the same range, or of the free list */
};

struct pass {
	struct csd_session *session;
	const struct csd_setting *setting;
	const struct csd_task *task;
	struct csd_output *output;
	struct csd_error *err;
	uint64_t bytes;
	uint64_t range_bytes;
	uint64_t ranges;
	uint64_t opened;		/* ranges that are in the window or behind it */
	uint64_t retired;
	uint32_t window;
	uint32_t in_flight;
	uint32_t result_bytes;
	uint32_t results;
	uint32_t free_results;
	uint32_t free_list;
	int rc;
	struct range range[MAX_WINDOW];
	struct result result[MAX_RESULTS];
};

static uint8_t *
offload_buffer_of(const struct pass *pass, uint32_t result)
{
	return pass->session->stream.arena + (size_t)result * pass->result_bytes;
}

static void
offload_scan_done(void *ctx, uint32_t tag, int status)
{
	struct pass *pass = ctx;
	struct result *result = &pass->result[tag];
	struct range *range = &pass->range[result->range];
	const struct csd_result *header = (const struct csd_result *)offload_buffer_of(pass, tag);
	int rc = 0;

	pass->in_flight--;
	range->busy = false;
	if (status != 0) {
		rc = csd_command_failed(pass->session, "scan", pass->task, status,
					pass->session->commands->completion.status, pass->err);
	} else {
		rc = csd_result_check(header, pass->task, pass->result_bytes, result->start, pass->err);
	}
	if (rc != 0) {
		pass->rc = pass->rc != 0 ? pass->rc : rc;
		return;
	}
	if (range->first == NO_RESULT) {
		range->first = tag;
	} else {
		pass->result[range->last].next = tag;
	}
	range->last = tag;
	result->next = NO_RESULT;
	range->start = result->start + header->next;
	range->done = header->end != CSD_END_FULL || range->start >= range->end;
	if (header->end == CSD_END_STOPPED) {
		range->done = true;
	}
}

static int
offload_send_scan(struct pass *pass, uint32_t slot)
{
	struct csd_io *io = pass->session->commands;
	struct range *range = &pass->range[slot];
	uint32_t tag = pass->free_list;
	struct result *result = &pass->result[tag];
	uint64_t stop = range->end + pass->task->overlap;
	bool sequence = pass->task->split == CSD_SPLIT_SEQUENCE;
	uint64_t length;
	struct csd_nvme_command command = { .opcode = CSD_SCAN, .nsid = pass->session->options->compute_nsid };
	int rc;

	stop = stop < pass->bytes ? stop : pass->bytes;
	length = stop - range->start;
	command.dw2 = pass->task->slot | (sequence && range->start > 0 ? (uint32_t)CSD_SCAN_RESUME << 16 : 0);
	command.dw3 = pass->session->options->place.nsid | (sequence ? (uint32_t)pass->session->range_set << 16 : 0);
	command.dw10 = (uint32_t)range->start;
	command.dw11 = (uint32_t)(range->start >> 32);
	command.dw12 = (uint32_t)length;
	command.dw13 = (uint32_t)(length >> 32);
	command.dw14 = (uint32_t)pass->task->parameters.cparam1;
	command.dw15 = (uint32_t)(pass->task->parameters.cparam1 >> 32);
	command.data = offload_buffer_of(pass, tag);
	command.bytes = pass->result_bytes;
	pass->free_list = result->next;
	pass->free_results--;
	*result = (struct result){ range->start, range->end, slot, NO_RESULT };
	range->busy = true;
	pass->in_flight++;
	rc = io->ops->command(io, &command, tag);
	if (rc != 0) {
		pass->in_flight--;
		range->busy = false;
		result->next = pass->free_list;
		pass->free_list = tag;
		pass->free_results++;
	} else {
		pass->output->commands++;
	}
	return rc;
}

static void
offload_open_range(struct pass *pass)
{
	uint64_t start = pass->opened * pass->range_bytes;
	uint64_t end = start + pass->range_bytes;

	pass->range[pass->opened % pass->window] = (struct range){
		.start = start,
		.end = end < pass->bytes ? end : pass->bytes,
		.first = NO_RESULT,
	};
	pass->opened++;
}

/* Earlier ranges first. The last free buffer is the first range's: it can always go on. */
static void
offload_send_more(struct pass *pass)
{
	uint64_t i;

	while (pass->opened < pass->ranges && pass->opened - pass->retired < pass->window) {
		offload_open_range(pass);
	}
	for (i = pass->retired; i < pass->opened && pass->in_flight < pass->setting->depth; i++) {
		uint32_t slot = (uint32_t)(i % pass->window);
		int rc;

		if (pass->range[slot].busy || pass->range[slot].done) {
			continue;
		}
		if (pass->free_results == 0 || (pass->free_results == 1 && i != pass->retired)) {
			return;
		}
		rc = offload_send_scan(pass, slot);
		if (rc == -EAGAIN && pass->in_flight > 0) {
			return;
		}
		if (rc != 0) {
			pass->rc = csd_command_failed(pass->session, "scan", pass->task, rc, 0, pass->err);
			return;
		}
	}
}

/* Takes over what the first range has. */
static int
offload_retire(struct pass *pass)
{
	struct range *range = &pass->range[pass->retired % pass->window];
	uint32_t state_bytes = pass->task->native->state_bytes;

	while (range->first != NO_RESULT) {
		uint32_t tag = range->first;
		struct result *result = &pass->result[tag];
		const struct csd_result *header = (const struct csd_result *)offload_buffer_of(pass, tag);
		const uint8_t *state = (const uint8_t *)(header + 1);
		int rc = csd_output_append(pass->output, pass->task, result->start, result->end, state + state_bytes,
					   header->data_bytes, pass->err);

		if (rc != 0) {
			return rc;
		}
		csd_output_state(pass->output, pass->task, state);
		pass->output->scan_ns += header->nanoseconds;
		range->first = result->next;
		result->next = pass->free_list;
		pass->free_list = tag;
		pass->free_results++;
	}
	if (range->done && !range->busy) {
		pass->retired++;
	}
	return 0;
}

static int
offload_run(struct pass *pass)
{
	struct csd_io *io = pass->session->commands;

	io->done = offload_scan_done;
	io->done_ctx = pass;
	while (pass->rc == 0 && pass->retired < pass->ranges) {
		struct range *head;
		int lost;

		offload_send_more(pass);
		if (pass->rc != 0) {
			break;
		}
		head = &pass->range[pass->retired % pass->window];
		lost = io->ops->poll(io, head->first == NO_RESULT && !head->done);
		if (lost != 0) {
			return csd_command_failed(pass->session, "scan", pass->task, lost, 0, pass->err);
		}
		if (pass->rc == 0) {
			pass->rc = offload_retire(pass);
		}
	}
	while (pass->in_flight > 0 && io->ops->poll(io, true) == 0) {
		/* no buffer may be used again while the drive still writes into it */
	}
	return pass->rc;
}

int
csd_way_offload(struct csd_session *session, const struct csd_setting *setting, const struct csd_task *task,
		uint64_t bytes, struct csd_output *output, struct csd_error *err)
{
	static struct pass pass;	/* too large for the stack */
	uint32_t i;

	memset(&pass, 0, sizeof(pass));
	pass.session = session;
	pass.setting = setting;
	pass.task = task;
	pass.output = output;
	pass.err = err;
	pass.bytes = bytes;
	pass.range_bytes = task->split == CSD_SPLIT_SEQUENCE ? bytes : setting->io_bytes;
	pass.ranges = (bytes + pass.range_bytes - 1) / pass.range_bytes;
	pass.window = 2 * setting->depth;
	pass.result_bytes = csd_session_result_bytes(session);
	pass.results = (uint32_t)(session->stream.arena_bytes / pass.result_bytes);
	pass.results = pass.results < MAX_RESULTS ? pass.results : MAX_RESULTS;
	pass.free_results = pass.results;
	for (i = 0; i < pass.results; i++) {
		pass.result[i].next = i + 1 < pass.results ? i + 1 : NO_RESULT;
	}
	csd_output_reset(output);
	return offload_run(&pass);
}
