/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Scan (82h, vendor specific): a record program over a data namespace; its result is the command's data. */
#include "csd_compute_private.h"

#include "spdk/util.h"

/* Fields of the command */
struct scan {
	uint16_t pind;
	uint16_t flags;
	uint16_t padding;	/* bytes of the first range, at its end */
	uint16_t data_nsid;
	uint16_t rsid;
	uint64_t first;
	uint64_t length;
	uint64_t cparam1;
};

static int
scan_parse(struct spdk_nvmf_request *req, struct scan *scan, struct csd_refusal *refusal)
{
	const struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req);
	const uint32_t *dword = (const uint32_t *)cmd;

	scan->pind = (uint16_t)dword[2];
	scan->flags = (uint16_t)(dword[2] >> 16);
	scan->data_nsid = (uint16_t)dword[3];
	scan->rsid = (uint16_t)(dword[3] >> 16);
	scan->first = (uint64_t)dword[11] << 32 | dword[10];
	scan->length = (uint64_t)dword[13] << 32 | dword[12];
	scan->cparam1 = (uint64_t)dword[15] << 32 | dword[14];
	scan->padding = scan->flags >> CSD_SCAN_PADDING_SHIFT & CSD_SCAN_PADDING_MASK;
	if ((scan->flags & ~(CSD_SCAN_RESUME | CSD_SCAN_PADDING_MASK << CSD_SCAN_PADDING_SHIFT)) != 0) {
		return csd_refuse_field(refusal, "Scan: unknown flags %04xh", scan->flags);
	}
	if ((scan->flags & CSD_SCAN_RESUME) && scan->rsid == 0) {
		return csd_refuse_field(refusal, "Scan: to resume needs a range set with the state");
	}
	if (scan->padding > CSD_SCAN_MAX_PADDING || (scan->padding > 0 && scan->rsid == 0)) {
		return csd_refuse_field(refusal, "Scan: %u bytes of padding in range set %u: at most %u, of a range set",
					scan->padding, scan->rsid, CSD_SCAN_MAX_PADDING);
	}
	return 0;
}

static int
scan_find_input(struct csd_run *run, const struct scan *scan, struct csd_refusal *refusal)
{
	struct spdk_bdev *bdev;
	uint64_t bytes;

	if (spdk_nvmf_request_get_bdev(scan->data_nsid, run->req, &bdev, &run->input.desc, &run->input.channel) != 0) {
		return csd_refusal_set(refusal, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_NAMESPACE_OR_FORMAT,
				  "Scan: there is no data namespace %u in this subsystem", scan->data_nsid);
	}
	if (csd_namespace_of(bdev) != NULL || spdk_bdev_get_md_size(bdev) != 0) {
		return csd_refuse_specific(refusal, NVME_SC_INCOMPATIBLE_NAMESPACE,
					   "Scan: namespace %u is no NVM namespace, or has metadata", scan->data_nsid);
	}
	if (spdk_nvmf_request_check_read(run->req, scan->data_nsid) != 0) {
		return csd_refusal_set(refusal, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_RESERVATION_CONFLICT,
				       "Scan: a reservation keeps this host from reading namespace %u", scan->data_nsid);
	}
	bytes = spdk_bdev_get_num_blocks(bdev) * spdk_bdev_get_block_size(bdev);
	if (scan->first > bytes || scan->length > bytes - scan->first) {
		return csd_refusal_set(refusal, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_LBA_OUT_OF_RANGE,
				  "Scan: %" PRIu64 " bytes from %" PRIu64 ": namespace %u has %" PRIu64, scan->length,
				  scan->first, scan->data_nsid, bytes);
	}
	run->reads = true;
	run->length = scan->length;
	run->input.first = scan->first;
	run->input.length = scan->length;
	run->input.record_bytes = run->loaded->info.record_bytes;
	return 0;
}

/* Range 0: program data. Range 1: state. What follows the program sees. */
static int
scan_find_memory(struct csd_run *run, const struct scan *scan, struct csd_refusal *refusal)
{
	struct csd_range_memory memory[NVME_CSD_MAX_RANGES];
	uint32_t state_bytes = run->loaded->info.state_bytes;
	uint64_t bytes;
	uint32_t count;

	if (scan->rsid == 0) {
		return 0;
	}
	if (csd_range_sets_acquire(run->sets, run->req, scan->rsid, memory, &count, refusal)) {
		return -1;
	}
	run->rsid = scan->rsid;
	/* A range is at least 4 bytes, and padding at most. */
	bytes = memory[0].length - spdk_min(memory[0].length, scan->padding);
	if (bytes > CSD_DATA_BYTES) {
		return csd_refuse_specific(refusal, NVME_SC_INVALID_MEMORY_RANGE_SET,
					   "Scan: %" PRIu64 " bytes of program data: at most %u", bytes, CSD_DATA_BYTES);
	}
	memcpy(run->data, memory[0].bytes, bytes);
	run->parameters.data = run->data;
	run->parameters.data_bytes = (uint32_t)bytes;
	if (count > 1) {
		if (memory[1].length < state_bytes) {
			return csd_refuse_specific(refusal, NVME_SC_INVALID_MEMORY_RANGE_SET,
						   "Scan: %" PRIu64 " bytes for a state of %u", memory[1].length, state_bytes);
		}
		run->state_output = memory[1].bytes;
	}
	if (csd_run_take_ranges(run, memory, count, refusal)) {
		return -1;
	}
	if (scan->flags & CSD_SCAN_RESUME) {
		if (count < 2) {
			return csd_refuse_specific(refusal, NVME_SC_INVALID_MEMORY_RANGE_SET,
						   "Scan: range set %u has no second range with the state to resume",
						   scan->rsid);
		}
		run->parameters.state = run->state_output;
	}
	return 0;
}

/* The result goes straight into the request's buffers, which are several where the transport's are smaller. */
static int
scan_find_output(struct csd_run *run, struct csd_refusal *refusal)
{
	const struct csd_program_info *info = &run->loaded->info;
	struct spdk_nvmf_request *req = run->req;
	uint32_t bytes = csd_data_bytes(req);

	if (bytes < sizeof(struct csd_result) + info->state_bytes + info->emit_bytes) {
		return csd_refuse_field(refusal, "Scan: a buffer of %u bytes: result, state and one item take %zu", bytes,
					sizeof(struct csd_result) + info->state_bytes + info->emit_bytes);
	}
	run->has_output = true;
	run->output.iov = req->iov;
	run->output.iovcnt = (int)req->iovcnt;
	run->output.size = bytes;
	run->output.used = sizeof(struct csd_result) + info->state_bytes;
	return 0;
}

/*
 * Only what the result takes travels: the buffer's unused end stays as it is on the host, and costs nothing on the wire.
 * Dwords, as the transport wants them.
 */
static void
scan_answer(struct csd_run *run, const struct csd_result *result)
{
	struct spdk_nvmf_request *req = run->req;
	uint32_t used = (uint32_t)run->output.used;
	uint32_t sent = spdk_min(SPDK_ALIGN_CEIL(used, 4u), req->length);

	csd_data_zero(req, used, sent - used);
	req->length = sent;
	csd_run_discard(run);
	csd_send_value(req, result->matches);
}

int
csd_scan_prepare(struct csd_compute *compute, struct csd_run *run, struct csd_refusal *refusal)
{
	struct scan scan;

	if (scan_parse(run->req, &scan, refusal) ||
	    csd_slots_acquire(&compute->slots, scan.pind, &run->loaded, refusal)) {
		return -1;
	}
	run->pind = scan.pind;
	run->parameters.cparam1 = scan.cparam1;
	run->answer = scan_answer;
	return scan_find_input(run, &scan, refusal) || scan_find_memory(run, &scan, refusal) ||
	       scan_find_output(run, refusal) ? -1 : 0;
}
