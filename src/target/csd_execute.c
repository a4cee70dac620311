/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Execute Program (01h): a record program over memory ranges. */
#include "csd_compute_private.h"

#include "spdk/util.h"

/* Fields of the command */
struct execute {
	uint16_t pind;
	uint16_t rsid;
	uint32_t ranges;
	uint32_t bytes;		/* descriptors and program data, in the buffer */
	uint64_t cparam1;
	uint64_t cparam2;
};

static int
execute_parse(struct spdk_nvmf_request *req, struct execute *execute, struct csd_refusal *refusal)
{
	const struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req);
	const uint32_t *dword = (const uint32_t *)cmd;
	uint32_t transferred = csd_data_bytes(req);

	execute->pind = (uint16_t)dword[2];
	execute->rsid = (uint16_t)(dword[2] >> 16);
	execute->ranges = dword[3];
	/* A Linux host's passthrough cannot set DLEN: 0 is the length of the transfer. */
	execute->bytes = dword[4] != 0 ? dword[4] : transferred;
	execute->cparam1 = (uint64_t)dword[11] << 32 | dword[10];
	execute->cparam2 = (uint64_t)dword[13] << 32 | dword[12];
	if (execute->bytes != transferred) {
		return csd_refuse_length(refusal, "Execute: DLEN %u: %u bytes came", execute->bytes, transferred);
	}
	if (execute->rsid != 0 && execute->ranges != 0) {
		return csd_refuse_field(refusal, "Execute: both a range set (%u) and %u ranges", execute->rsid,
					execute->ranges);
	}
	if (execute->ranges > NVME_CSD_MAX_RANGES) {
		return csd_refuse_specific(refusal, NVME_SC_MAXIMUM_MEMORY_RANGES, "Execute: %u ranges: at most %u",
					   execute->ranges, NVME_CSD_MAX_RANGES);
	}
	if (execute->ranges * sizeof(struct nvme_memory_range) > execute->bytes) {
		return csd_refuse_length(refusal, "Execute: %u ranges in %u bytes", execute->ranges, execute->bytes);
	}
	if (execute->bytes - execute->ranges * sizeof(struct nvme_memory_range) > CSD_DATA_BYTES) {
		return csd_refuse_field(refusal, "Execute: more than %u bytes of program data", CSD_DATA_BYTES);
	}
	return 0;
}

static int
execute_resolve(struct csd_run *run, const struct execute *execute, struct csd_range_memory memory[NVME_CSD_MAX_RANGES],
		uint32_t *count, struct csd_refusal *refusal)
{
	struct nvme_memory_range ranges[NVME_CSD_MAX_RANGES];

	*count = execute->ranges;
	if (execute->rsid != 0) {
		if (csd_range_sets_acquire(run->sets, run->req, execute->rsid, memory, count, refusal)) {
			return -1;
		}
		run->rsid = execute->rsid;
		return 0;
	}
	if (execute->ranges == 0) {
		return csd_refuse_specific(refusal, NVME_SC_INVALID_MEMORY_RANGE_SET,
					   "Execute: no memory range: the program's input is the first one");
	}
	csd_data_from_host(run->req, 0, ranges, (uint32_t)(execute->ranges * sizeof(ranges[0])));
	return csd_ranges_resolve(run->req, ranges, execute->ranges, memory, refusal);
}

static void
execute_answer(struct csd_run *run, const struct csd_result *result)
{
	struct spdk_nvmf_request *req = run->req;
	uint64_t value = result->matches | (result->end == CSD_END_FULL ? CSD_RETURN_INCOMPLETE : 0);

	csd_run_discard(run);
	csd_send_value(req, value);
}

int
csd_execute_prepare(struct csd_compute *compute, struct csd_run *run, struct csd_refusal *refusal)
{
	struct csd_range_memory memory[NVME_CSD_MAX_RANGES];
	const struct csd_program_info *info;
	struct execute execute;
	uint32_t count, descriptors;

	if (execute_parse(run->req, &execute, refusal) ||
	    csd_slots_acquire(&compute->slots, execute.pind, &run->loaded, refusal)) {
		return -1;
	}
	run->pind = execute.pind;
	info = &run->loaded->info;
	if (execute_resolve(run, &execute, memory, &count, refusal)) {
		return -1;
	}
	descriptors = execute.ranges * sizeof(struct nvme_memory_range);
	run->parameters.cparam1 = execute.cparam1;
	run->parameters.cparam2 = execute.cparam2;
	run->parameters.data = run->data;
	run->parameters.data_bytes = execute.bytes - descriptors;
	csd_data_from_host(run->req, descriptors, run->data, run->parameters.data_bytes);
	run->length = memory[0].length;
	run->window.bytes = memory[0].bytes;
	run->window.length = memory[0].length;
	if (count > 1) {
		if (memory[1].length < sizeof(struct csd_result) + info->state_bytes + info->emit_bytes) {
			return csd_refuse_field(refusal, "Execute: %" PRIu64 " bytes of output: result, state and one item take %zu",
						memory[1].length,
						sizeof(struct csd_result) + info->state_bytes + info->emit_bytes);
		}
		run->memory_output.iov_base = memory[1].bytes;
		run->memory_output.iov_len = memory[1].length;
		run->has_output = true;
		run->output.iov = &run->memory_output;
		run->output.iovcnt = 1;
		run->output.size = memory[1].length;
		run->output.used = sizeof(struct csd_result) + info->state_bytes;
	}
	run->answer = execute_answer;
	return csd_run_take_ranges(run, memory, count, refusal);
}
