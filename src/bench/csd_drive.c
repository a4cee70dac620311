/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_drive.h"

#include "csd_status.h"
#include "csd_ways.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ADMIN_IDENTIFY		0x06
#define ADMIN_GET_LOG_PAGE	0x02
#define CNS_NAMESPACE_OF_SET	0x05
#define ADMIN_BYTES		4096

int
csd_command_failed(const struct csd_session *session, const char *what, const struct csd_task *task, int status,
		   uint16_t nvme_status, struct csd_error *err)
{
	if (task != NULL) {
		csd_fail(err, CSD_IO_FAILED, "%s program %u (%s) of namespace %u, on %s", what, task->slot,
			 task->native->name, session->options->compute_nsid, session->io->name);
	} else {
		csd_fail(err, CSD_IO_FAILED, "%s on %s", what, session->io->name);
	}
	if (nvme_status != 0) {
		csd_found(err, "the drive answered status " CSD_STATUS, CSD_STATUS_PARTS(nvme_status));
		return csd_fix(err, "see docs/nvme.md for what this status means, and the target's log");
	}
	csd_found(err, "%s", strerror(-status));
	return csd_fix(err, "look at the target's log and the connection, then run again");
}

int
csd_result_check(const struct csd_result *result, const struct csd_task *task, uint64_t room, uint64_t begun,
		 struct csd_error *err)
{
	uint64_t most = room - sizeof(*result) - task->native->state_bytes;

	if (result->magic == CSD_RESULT_MAGIC && result->version == 1 &&
	    result->state_bytes == task->native->state_bytes && result->data_bytes <= most &&
	    (task->emit_bytes > 0 ? result->data_bytes % task->emit_bytes == 0 : result->data_bytes == 0) &&
	    (result->end != CSD_END_FULL || result->next > 0)) {
		return 0;
	}
	csd_fail(err, CSD_WRONG_DATA, "the result of %s from byte %lu on", task->native->name, begun);
	csd_found(err, "its header has magic %08x, version %u, end %u, state of %u bytes, data of %u", result->magic,
		  result->version, result->end, result->state_bytes, result->data_bytes);
	return csd_fix(err, "update target and host to the same version");
}

static int
drive_admin(const struct csd_session *session, const struct csd_nvme_command *command, const char *what,
	    struct csd_error *err)
{
	struct csd_io *io = session->commands;
	int rc = io->ops->admin(io, command);

	return rc == 0 ? 0 : csd_command_failed(session, what, NULL, rc, rc == -EIO ? io->completion.status : 0, err);
}

static int
drive_read_log(const struct csd_session *session, uint8_t lid, uint64_t offset, uint32_t bytes, void *page,
	       struct csd_error *err)
{
	uint32_t dwords = bytes / 4 - 1;
	struct csd_nvme_command command = {
		.opcode = ADMIN_GET_LOG_PAGE,
		.nsid = session->options->compute_nsid,
		.dw10 = lid | (dwords & 0xffff) << 16,
		.dw11 = dwords >> 16,
		.dw12 = (uint32_t)offset,
		.dw13 = (uint32_t)(offset >> 32),
		.data = page,
		.bytes = bytes,
	};

	return drive_admin(session, &command, lid == CSD_LOG_PROGRAMS ? "Get Log Page C0h (programs)" :
			   "Get Log Page 83h (Downloadable Program Types List)", err);
}

static int
drive_read_slots(struct csd_session *session, void *page, struct csd_error *err)
{
	struct csd_drive *drive = &session->drive;
	const struct csd_log_header *header = page;
	uint32_t i, count, entry_bytes;
	int rc = drive_read_log(session, CSD_LOG_PROGRAMS, 0, sizeof(*header), page, err);

	if (rc != 0) {
		return rc;
	}
	count = header->count;
	entry_bytes = header->entry_bytes;
	if (entry_bytes < sizeof(*drive->slots) || entry_bytes % 4 != 0 || entry_bytes > ADMIN_BYTES || count > 65536) {
		csd_fail(err, CSD_WRONG_DATA, "the program list of namespace %u", session->options->compute_nsid);
		csd_found(err, "%u entries of %u bytes", count, entry_bytes);
		return csd_fix(err, "update target and host to the same version");
	}
	drive->slots = calloc(count, sizeof(*drive->slots));
	drive->slot_count = drive->slots != NULL ? count : 0;
	for (i = 0; i < drive->slot_count && rc == 0; i++) {
		rc = drive_read_log(session, CSD_LOG_PROGRAMS, sizeof(*header) + (uint64_t)i * entry_bytes, entry_bytes,
				    page, err);
		memcpy(&drive->slots[i], page, sizeof(*drive->slots));
	}
	return rc;
}

/* eBPF's program type: the first that the drive lists. */
static int
drive_read_program_type(struct csd_session *session, void *page, struct csd_error *err)
{
	const struct nvme_program_types_header *header = page;
	const struct nvme_program_type_descriptor *first = (const struct nvme_program_type_descriptor *)(header + 1);
	int rc = drive_read_log(session, NVME_LOG_PROGRAM_TYPES, 0, sizeof(*header) + sizeof(*first), page, err);

	if (rc == 0 && header->count == 0) {
		csd_fail(err, CSD_UNAVAILABLE, "the program types of namespace %u", session->options->compute_nsid);
		csd_found(err, "it takes none");
		return csd_fix(err, "name a compute namespace of a csd_tgt");
	}
	session->drive.program_type = rc == 0 ? first->ptype : 0;
	return rc;
}

static int
drive_read_slm(struct csd_session *session, void *page, struct csd_error *err)
{
	const struct nvme_slm_namespace *found = page;
	struct csd_nvme_command command = {
		.opcode = ADMIN_IDENTIFY,
		.nsid = session->options->slm_nsid,
		.dw10 = CNS_NAMESPACE_OF_SET,
		.dw11 = (uint32_t)NVME_CSI_SLM << 24,
		.data = page,
		.bytes = sizeof(*found),
	};
	int rc = drive_admin(session, &command, "Identify Namespace (CNS 05h, CSI 03h)", err);

	if (rc == 0) {
		session->drive.slm_bytes = found->size;
		session->drive.slm_usable = found->size > CSD_SLM_RESERVED ? found->size - CSD_SLM_RESERVED : 0;
	}
	return rc;
}

int
csd_drive_read(struct csd_session *session, struct csd_error *err)
{
	struct csd_io *io = session->commands;
	void *page = io->ops->alloc(io, ADMIN_BYTES);
	int rc;

	if (page == NULL) {
		csd_fail(err, CSD_UNAVAILABLE, "a buffer for admin commands");
		csd_found(err, "no memory for transfers is left");
		return csd_fix(err, "give it more (--memory)");
	}
	rc = drive_read_slots(session, page, err);
	if (rc == 0) {
		rc = drive_read_program_type(session, page, err);
	}
	if (rc == 0) {
		rc = drive_read_slm(session, page, err);
	}
	io->ops->free(io, page);
	return rc;
}

void
csd_drive_free(struct csd_drive *drive)
{
	free(drive->slots);
	memset(drive, 0, sizeof(*drive));
}

int
csd_drive_check_slot(const struct csd_session *session, const struct csd_task *task, struct csd_error *err)
{
	static const char *const states[] = { "empty", "loading", "loaded, not active", "active", "verifying" };
	const struct csd_drive *drive = &session->drive;
	const struct csd_native *native = task->native;
	const struct csd_program_entry *slot;

	csd_fail(err, CSD_UNAVAILABLE, "program %s in slot %u of namespace %u on %s", native->name, task->slot,
		 session->options->compute_nsid, session->io->name);
	csd_fix(err, "let the role csd_target load it there (csd_target_programs), or correct the slot");
	if (task->slot >= drive->slot_count) {
		return csd_found(err, "it has %u slots", drive->slot_count);
	}
	slot = &drive->slots[task->slot];
	if (slot->state != CSD_SLOT_ACTIVE) {
		return csd_found(err, "the slot is %s", slot->state < 5 ? states[slot->state] : "in an unknown state");
	}
	if (slot->record_bytes != native->record_bytes || slot->stride_bytes != native->stride_bytes ||
	    slot->state_bytes != native->state_bytes || slot->emit != native->emit) {
		return csd_found(err, "it holds another program: records of %u bytes, each %u, state of %u, emits %u; "
				 "%s has %u, %u, %u, %u", slot->record_bytes, slot->stride_bytes, slot->state_bytes,
				 slot->emit, native->name, native->record_bytes, native->stride_bytes,
				 native->state_bytes, native->emit);
	}
	memset(err, 0, sizeof(*err));
	return 0;
}

struct csd_nvme_command
csd_drive_copy(const struct csd_session *session, uint64_t first_block, uint64_t blocks, uint64_t to, void *data)
{
	uint64_t bytes = blocks * session->io->block_bytes;
	struct nvme_slm_copy_blocks *source = data;

	*source = (struct nvme_slm_copy_blocks){ .snsid = session->options->place.nsid, .slba = first_block,
						 .nlb = (uint16_t)(blocks - 1) };
	return (struct csd_nvme_command){
		.opcode = NVME_SLM_COPY, .nsid = session->options->slm_nsid, .dw2 = (uint32_t)bytes, .dw3 = (uint32_t)(bytes >> 32),
		.dw10 = (uint32_t)to, .dw11 = (uint32_t)(to >> 32), .dw12 = NVME_SLM_COPY_FROM_BLOCKS << 8,
		.data = source, .bytes = sizeof(*source),
	};
}

struct csd_nvme_command
csd_drive_execute(const struct csd_session *session, const struct csd_task *task, const struct csd_slm_areas *areas, void *data)
{
	uint32_t nsid = session->options->slm_nsid;
	struct nvme_memory_range *ranges = data;

	ranges[0] = (struct nvme_memory_range){ .nsid = nsid, .length = (uint32_t)areas->in_bytes, .start = areas->in };
	ranges[1] = (struct nvme_memory_range){ .nsid = nsid, .length = (uint32_t)areas->out_bytes, .start = areas->out };
	return (struct csd_nvme_command){
		.opcode = NVME_EXECUTE_PROGRAM, .nsid = session->options->compute_nsid, .dw2 = task->slot, .dw3 = 2,
		.dw10 = (uint32_t)task->parameters.cparam1, .dw11 = (uint32_t)(task->parameters.cparam1 >> 32),
		.data = ranges, .bytes = 2 * sizeof(*ranges),
	};
}

int
csd_drive_spare_slot(const struct csd_drive *drive)
{
	uint32_t i;

	for (i = 0; i < drive->slot_count; i++) {
		if (drive->slots[i].state == CSD_SLOT_EMPTY) {
			return (int)i;
		}
	}
	return -1;
}

int
csd_drive_make_range_set(struct csd_session *session, uint32_t state_bytes, struct csd_error *err)
{
	struct csd_io *io = session->commands;
	uint64_t base = session->drive.slm_usable;
	struct nvme_memory_range *ranges = io->ops->alloc(io, ADMIN_BYTES);
	struct csd_nvme_command command = {
		.opcode = NVME_MEMORY_RANGE_SET,
		.nsid = session->options->compute_nsid,
		.dw11 = 2,
		.data = ranges,
		.bytes = 2 * sizeof(*ranges),
	};
	int rc;

	if (ranges == NULL || base == 0) {
		csd_fail(err, CSD_UNAVAILABLE, "a memory range set for the program's state");
		csd_found(err, "SLM has %lu bytes, and transfers %s memory", session->drive.slm_bytes,
			  ranges == NULL ? "no" : "enough");
		csd_fix(err, "make SLM larger, or give this process more memory (--memory)");
		rc = -CSD_UNAVAILABLE;
	} else {
		memset(ranges, 0, 2 * sizeof(*ranges));
		ranges[0] = (struct nvme_memory_range){ session->options->slm_nsid, CSD_SLM_GRANULE, base, { 0 } };
		ranges[1] = (struct nvme_memory_range){ session->options->slm_nsid, state_bytes,
							base + CSD_SLM_RESERVED / 2, { 0 } };
		rc = drive_admin(session, &command, "Memory Range Set Management: create", err);
		session->range_set = rc == 0 ? (uint16_t)io->completion.value : 0;
	}
	if (ranges != NULL) {
		io->ops->free(io, ranges);
	}
	return rc;
}

void
csd_drive_remove_range_set(struct csd_session *session)
{
	struct csd_nvme_command command = {
		.opcode = NVME_MEMORY_RANGE_SET,
		.nsid = session->options->compute_nsid,
		.dw10 = 1 | (uint32_t)session->range_set << 16,
	};

	if (session->range_set != 0) {
		session->commands->ops->admin(session->commands, &command);
		session->range_set = 0;
	}
}

static int
drive_load_part(struct csd_session *session, uint16_t slot, uint8_t *buffer, uint32_t total, uint32_t offset,
		uint32_t bytes, struct csd_error *err)
{
	struct csd_nvme_command command = {
		.opcode = NVME_LOAD_PROGRAM,
		.nsid = session->options->compute_nsid,
		.dw10 = slot | (uint32_t)session->drive.program_type << 16,
		.dw11 = total,
		.dw14 = bytes,
		.dw15 = offset,
		.data = buffer,
		.bytes = bytes,
	};

	return drive_admin(session, &command, "Load Program", err);
}

static int
drive_activate(struct csd_session *session, uint16_t slot, bool on, struct csd_error *err)
{
	struct csd_nvme_command command = {
		.opcode = NVME_PROGRAM_ACTIVATION,
		.nsid = session->options->compute_nsid,
		.dw10 = slot | (on ? 1u << 16 : 0),
	};

	return drive_admin(session, &command, "Program Activation Management", err);
}

int
csd_drive_load(struct csd_session *session, uint16_t slot, const uint8_t *program, uint32_t bytes,
	       struct csd_slot_timing *timing, struct csd_error *err)
{
	struct csd_io *io = session->commands;
	uint8_t *buffer = io->ops->alloc(io, ADMIN_BYTES);
	uint32_t last = (bytes - 1) / CSD_SLM_GRANULE * CSD_SLM_GRANULE, offset = 0;
	double begun = csd_now(), now;
	int rc = buffer != NULL ? 0 : -CSD_UNAVAILABLE;

	if (rc != 0) {
		csd_fail(err, CSD_UNAVAILABLE, "a buffer for a program");
		csd_found(err, "no memory for transfers is left");
		return csd_fix(err, "give it more (--memory)");
	}
	while (rc == 0 && offset < bytes) {
		uint32_t end = offset < last ? last : bytes;
		uint32_t part = end - offset < ADMIN_BYTES ? end - offset : ADMIN_BYTES;

		if (offset == last) {
			now = csd_now();
			timing->load_s = now - begun;
			begun = now;
		}
		memcpy(buffer, program + offset, part);
		rc = drive_load_part(session, slot, buffer, bytes, offset, part, err);
		offset += part;
	}
	now = csd_now();
	timing->verify_s = now - begun;
	if (rc == 0) {
		rc = drive_activate(session, slot, true, err);
		timing->activate_s = csd_now() - now;
	}
	io->ops->free(io, buffer);
	return rc;
}

int
csd_drive_unload(struct csd_session *session, uint16_t slot, struct csd_error *err)
{
	struct csd_nvme_command command = {
		.opcode = NVME_LOAD_PROGRAM,
		.nsid = session->options->compute_nsid,
		.dw10 = slot | 1u << 24,
	};
	int rc = drive_activate(session, slot, false, err);

	return rc != 0 ? rc : drive_admin(session, &command, "Load Program: unload", err);
}
