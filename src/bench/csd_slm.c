/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The standard flow: SLM Copy brings a chunk of the data into the drive's memory, Execute Program runs over it, SLM Read
 * brings the result. */
#include "csd_ways.h"

#include "csd_drive.h"
#include "nvme_csd.h"

#include <errno.h>
#include <string.h>

#define MAX_LANES	16
#define LANE_READS	8	/* of one lane at a time */
#define ALIGNMENT	4096	/* of a lane's areas in SLM */
#define COPY_TAG	0	/* tags of a lane: one for copy and execute, the others for reads */
#define LANE_TAGS	(1 + LANE_READS)

enum stage { STAGE_FREE, STAGE_COPY, STAGE_EXECUTE, STAGE_READ, STAGE_DONE };

/* One chunk on its way; its places in SLM and in this host's memory. */
struct lane {
	enum stage stage;
	uint64_t start, end;		/* of the chunk; its input may look at the overlap behind */
	uint64_t input_bytes;
	uint64_t in, out;		/* SLM */
	uint8_t *descriptors;
	uint8_t *result;
	uint64_t result_bytes;		/* of the result; known after Execute */
	uint64_t read_sent, read_done;
	uint32_t free_reads;		/* bit mask */
	uint32_t read_length[LANE_READS];
	bool busy;
	double since;
};

struct pass {
	struct csd_session *session;
	const struct csd_setting *setting;
	const struct csd_task *task;
	struct csd_output *output;
	struct csd_error *err;
	uint64_t bytes;
	uint64_t chunk_bytes;
	uint64_t out_bytes;		/* room for a chunk's result in SLM */
	uint64_t chunks, opened, retired;
	uint32_t in_flight;
	int rc;
	struct lane lane[MAX_LANES];
};

static void
slm_fail(struct pass *pass, const char *what, int status, uint16_t nvme_status)
{
	if (pass->rc == 0) {
		pass->rc = csd_command_failed(pass->session, what, pass->task, status, nvme_status, pass->err);
	}
}

/* A result that is larger than the room for it: only a search that finds nearly every place has one. */
static void
slm_fail_full(struct pass *pass, const struct lane *lane)
{
	csd_fail(pass->err, CSD_IO_FAILED, "the result of %s over bytes %lu to %lu in SLM", pass->task->native->name,
		 lane->start, lane->end);
	csd_found(pass->err, "it is larger than the %lu bytes that a lane has for it", pass->out_bytes);
	pass->rc = csd_fix(pass->err, "choose a smaller chunk (--chunk-size), or scan instead");
}

static void
slm_executed(struct pass *pass, struct lane *lane)
{
	uint64_t value = pass->session->commands->completion.value;
	uint64_t matches = value & ~CSD_RETURN_INCOMPLETE;

	lane->result_bytes = sizeof(struct csd_result) + pass->task->native->state_bytes + matches * pass->task->emit_bytes;
	lane->result_bytes = (lane->result_bytes + CSD_SLM_GRANULE - 1) / CSD_SLM_GRANULE * CSD_SLM_GRANULE;
	lane->read_sent = lane->read_done = 0;
	lane->free_reads = (1u << LANE_READS) - 1;
	if ((value & CSD_RETURN_INCOMPLETE) || lane->result_bytes > pass->out_bytes) {
		slm_fail_full(pass, lane);
	}
}

static void
slm_command_done(void *ctx, uint32_t tag, int status)
{
	static const char *const names[] = { [STAGE_COPY] = "SLM Copy for", [STAGE_EXECUTE] = "Execute Program for",
					     [STAGE_READ] = "SLM Read for" };
	struct pass *pass = ctx;
	struct lane *lane = &pass->lane[tag / LANE_TAGS];
	uint32_t part = tag % LANE_TAGS;

	pass->in_flight--;
	if (status != 0) {
		slm_fail(pass, names[lane->stage], status, pass->session->commands->completion.status);
		return;
	}
	if (lane->stage == STAGE_READ) {
		lane->free_reads |= 1u << (part - 1);
		lane->read_done += lane->read_length[part - 1];
		if (lane->read_done == lane->result_bytes) {
			pass->output->read_s += csd_now() - lane->since;
			lane->stage = STAGE_DONE;
		}
		return;
	}
	lane->busy = false;
	if (lane->stage == STAGE_COPY) {
		pass->output->copy_s += csd_now() - lane->since;
		lane->stage = STAGE_EXECUTE;
	} else {
		pass->output->execute_s += csd_now() - lane->since;
		slm_executed(pass, lane);
		lane->stage = STAGE_READ;
		lane->since = csd_now();
	}
}

static int
slm_send_command(struct pass *pass, const struct csd_nvme_command *command, uint32_t tag)
{
	struct csd_io *io = pass->session->commands;
	int rc;

	pass->in_flight++;
	rc = io->ops->command(io, command, tag);
	if (rc != 0) {
		pass->in_flight--;
	} else {
		pass->output->commands++;
	}
	return rc;
}

static int
slm_send_copy(struct pass *pass, struct lane *lane, uint32_t tag)
{
	uint32_t block_bytes = pass->session->io->block_bytes;
	uint64_t first = lane->start / block_bytes;
	uint64_t blocks = (lane->start + lane->input_bytes + block_bytes - 1) / block_bytes - first;
	struct csd_nvme_command command = csd_drive_copy(pass->session, first, blocks, lane->in, lane->descriptors);

	return slm_send_command(pass, &command, tag);
}

static int
slm_send_execute(struct pass *pass, struct lane *lane, uint32_t tag)
{
	const struct csd_slm_areas areas = {
		.in = lane->in, .in_bytes = lane->input_bytes, .out = lane->out, .out_bytes = pass->out_bytes,
	};
	struct csd_nvme_command command = csd_drive_execute(pass->session, pass->task, &areas, lane->descriptors);

	return slm_send_command(pass, &command, tag);
}

static int
slm_send_reads(struct pass *pass, struct lane *lane, uint32_t first_tag)
{
	while (lane->read_sent < lane->result_bytes && lane->free_reads != 0) {
		uint32_t part = (uint32_t)__builtin_ctz(lane->free_reads);
		uint64_t rest = lane->result_bytes - lane->read_sent;
		uint64_t from = lane->out + lane->read_sent;
		uint32_t most = pass->session->commands->transfer_bytes / CSD_SLM_GRANULE * CSD_SLM_GRANULE;
		struct csd_nvme_command command = {
			.opcode = NVME_SLM_READ,
			.nsid = pass->session->options->slm_nsid,
			.dw10 = (uint32_t)from,
			.dw11 = (uint32_t)(from >> 32),
			.data = lane->result + lane->read_sent,
			.bytes = rest < most ? (uint32_t)rest : most,
		};
		int rc;

		command.dw12 = command.bytes;
		rc = slm_send_command(pass, &command, first_tag + 1 + part);
		if (rc != 0) {
			return rc;
		}
		lane->read_length[part] = command.bytes;
		lane->free_reads &= ~(1u << part);
		lane->read_sent += command.bytes;
	}
	return 0;
}

static void
slm_open_lane(struct pass *pass, struct lane *lane)
{
	uint64_t stop;

	lane->start = pass->opened * pass->chunk_bytes;
	lane->end = lane->start + pass->chunk_bytes < pass->bytes ? lane->start + pass->chunk_bytes : pass->bytes;
	stop = lane->end + pass->task->overlap;
	/* A range's length is a multiple of the granule; what is found behind the end belongs to the next chunk. */
	stop = (stop + CSD_SLM_GRANULE - 1) / CSD_SLM_GRANULE * CSD_SLM_GRANULE;
	lane->input_bytes = (stop < pass->bytes ? stop : pass->bytes) - lane->start;
	lane->stage = STAGE_COPY;
	lane->busy = false;
	pass->opened++;
}

/* Sends what each lane's next step is, the first chunk's first. */
static void
slm_send_more(struct pass *pass)
{
	uint64_t i;

	while (pass->opened < pass->chunks && pass->opened - pass->retired < pass->setting->depth) {
		slm_open_lane(pass, &pass->lane[pass->opened % pass->setting->depth]);
	}
	for (i = pass->retired; i < pass->opened && pass->rc == 0; i++) {
		uint32_t index = (uint32_t)(i % pass->setting->depth);
		struct lane *lane = &pass->lane[index];
		uint32_t tag = index * LANE_TAGS;
		int rc = 0;

		if (lane->stage == STAGE_READ) {
			rc = slm_send_reads(pass, lane, tag);
		} else if (!lane->busy && lane->stage != STAGE_DONE) {
			lane->busy = true;
			lane->since = csd_now();
			rc = lane->stage == STAGE_COPY ? slm_send_copy(pass, lane, tag + COPY_TAG) :
							 slm_send_execute(pass, lane, tag + COPY_TAG);
			if (rc != 0) {
				lane->busy = false;
			}
		}
		if (rc == -EAGAIN && pass->in_flight > 0) {
			return;
		}
		if (rc != 0) {
			slm_fail(pass, "a command for", rc, 0);
		}
	}
}

static void
slm_retire(struct pass *pass)
{
	struct lane *lane = &pass->lane[pass->retired % pass->setting->depth];
	const struct csd_result *header = (const struct csd_result *)lane->result;
	const uint8_t *state = (const uint8_t *)(header + 1);

	if (lane->stage != STAGE_DONE) {
		return;
	}
	pass->rc = csd_result_check(header, pass->task, lane->result_bytes, lane->start, pass->err);
	if (pass->rc == 0) {
		pass->rc = csd_output_append(pass->output, pass->task, lane->start, lane->end,
					     state + pass->task->native->state_bytes, header->data_bytes, pass->err);
	}
	if (pass->rc == 0) {
		csd_output_state(pass->output, pass->task, state);
		pass->output->scan_ns += header->nanoseconds;
		lane->stage = STAGE_FREE;
		pass->retired++;
	}
}

static int
slm_run(struct pass *pass)
{
	struct csd_io *io = pass->session->commands;

	io->done = slm_command_done;
	io->done_ctx = pass;
	while (pass->rc == 0 && pass->retired < pass->chunks) {
		int lost;

		slm_send_more(pass);
		if (pass->rc != 0) {
			break;
		}
		lost = io->ops->poll(io, pass->lane[pass->retired % pass->setting->depth].stage != STAGE_DONE);
		if (lost != 0) {
			slm_fail(pass, "a command for", lost, 0);
			return pass->rc;
		}
		if (pass->rc == 0) {
			slm_retire(pass);
		}
	}
	while (pass->in_flight > 0 && io->ops->poll(io, true) == 0) {
		/* no buffer may be used again while the drive still writes into it */
	}
	return pass->rc;
}

static uint64_t
slm_aligned(uint64_t bytes)
{
	return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

uint64_t
csd_slm_lane_bytes(uint64_t chunk_bytes, bool in_slm)
{
	/* In SLM an input, which may begin and end inside blocks, and a result; here only the result. */
	uint64_t result = slm_aligned(chunk_bytes + sizeof(struct csd_result) + CSD_MAX_STATE_BYTES);

	return result + (in_slm ? slm_aligned(chunk_bytes) + 2 * ALIGNMENT : ALIGNMENT);
}

/* Where each lane has its areas, or why that cannot be. */
static int
slm_lay_out(struct pass *pass)
{
	struct csd_session *session = pass->session;
	uint64_t in_slm = csd_slm_lane_bytes(pass->setting->io_bytes, true);
	uint64_t here = csd_slm_lane_bytes(pass->setting->io_bytes, false);
	uint32_t i;

	if (pass->setting->depth > MAX_LANES || in_slm * pass->setting->depth > session->drive.slm_usable ||
	    here * pass->setting->depth > session->stream.arena_bytes) {
		csd_fail(pass->err, CSD_USAGE, "%u chunks of %u bytes at a time in SLM", pass->setting->depth,
			 pass->setting->io_bytes);
		csd_found(pass->err, "they take %lu bytes there and %lu here; %lu and %zu are to be had, and %d at a time",
			  in_slm * pass->setting->depth, here * pass->setting->depth, session->drive.slm_usable,
			  session->stream.arena_bytes, MAX_LANES);
		return csd_fix(pass->err, "choose a smaller chunk or fewer at a time (--chunk-size, --chunk-depth)");
	}
	for (i = 0; i < pass->setting->depth; i++) {
		struct lane *lane = &pass->lane[i];

		lane->in = i * in_slm;
		lane->out = lane->in + slm_aligned(pass->setting->io_bytes) + 2 * ALIGNMENT;
		lane->result = session->stream.arena + i * here;
		lane->descriptors = lane->result + here - ALIGNMENT;
	}
	return 0;
}

int
csd_way_slm(struct csd_session *session, const struct csd_setting *setting, const struct csd_task *task,
	    uint64_t bytes, struct csd_output *output, struct csd_error *err)
{
	struct pass pass = {
		.session = session,
		.setting = setting,
		.task = task,
		.output = output,
		.err = err,
		.bytes = bytes,
		.chunk_bytes = setting->io_bytes,
		.out_bytes = slm_aligned(setting->io_bytes + sizeof(struct csd_result) + CSD_MAX_STATE_BYTES),
	};
	int rc = slm_lay_out(&pass);

	if (rc != 0) {
		return rc;
	}
	csd_output_reset(output);
	if (task->period_bytes > 0) {
		/* Execute Program begins with a zero state: right where the period begins anew. */
		uint64_t unit = task->period_bytes * session->io->block_bytes;

		while (unit % 2 == 0 && unit / 2 % task->period_bytes == 0 && unit / 2 % session->io->block_bytes == 0) {
			unit /= 2;
		}
		if (pass.chunk_bytes < unit) {
			csd_fail(err, CSD_USAGE, "%s over SLM in chunks of %u bytes", task->native->name, setting->io_bytes);
			csd_found(err, "its state begins anew only every %lu bytes", unit);
			return csd_fix(err, "choose a larger chunk (--chunk-size)");
		}
		pass.chunk_bytes = pass.chunk_bytes / unit * unit;
	}
	pass.chunks = (bytes + pass.chunk_bytes - 1) / pass.chunk_bytes;
	return slm_run(&pass);
}
