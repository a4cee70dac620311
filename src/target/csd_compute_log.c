/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Log pages of a compute namespace: snapshots, in the layouts of nvme_csd.h. */
#include "csd_compute_private.h"

static void *
compute_log_allocate(uint32_t count, uint32_t entry_bytes, uint64_t generation, size_t *length)
{
	struct csd_log_header *header;

	*length = sizeof(*header) + (size_t)count * entry_bytes;
	header = calloc(1, *length);
	if (header == NULL) {
		*length = 0;
		return NULL;
	}
	header->count = count;
	header->entry_bytes = entry_bytes;
	header->generation = generation;
	return header;
}

static void *
compute_log_program_list(const struct csd_slots *slots, size_t *length)
{
	struct nvme_program_list_header *header;
	struct nvme_program_descriptor *descriptor;
	uint16_t i;

	*length = sizeof(*header) + slots->options.slots * sizeof(*descriptor);
	header = calloc(1, *length);
	if (header == NULL) {
		*length = 0;
		return NULL;
	}
	header->count = slots->options.slots;
	descriptor = (struct nvme_program_descriptor *)(header + 1);
	for (i = 0; i < slots->options.slots; i++, descriptor++) {
		const struct csd_slot *slot = &slots->slot[i];

		/* A program is there when it is whole and verified; log C0h tells of one on its way. */
		if (slot->state == CSD_SLOT_LOADED || slot->state == CSD_SLOT_ACTIVE) {
			descriptor->state = (uint8_t)(NVME_PROGRAM_DOWNLOADED | slot->pit << NVME_PROGRAM_PIT_SHIFT |
						      (slot->state == CSD_SLOT_ACTIVE ? NVME_PROGRAM_ACTIVE : 0));
			descriptor->ptype = slot->program_type;
			descriptor->pid = slot->pid;
		}
	}
	return header;
}

static void
compute_log_fill_program(const struct csd_slot *slot, struct csd_program_entry *entry)
{
	entry->ptype = slot->program_type;
	entry->state = (uint8_t)slot->state;
	entry->psize = slot->size;
	entry->pit = slot->pit;
	entry->pid = slot->pid;
	if (slot->loaded != NULL) {
		const struct csd_program_info *info = &slot->loaded->info;

		entry->record_bytes = info->record_bytes;
		entry->stride_bytes = info->stride_bytes;
		entry->state_bytes = info->state_bytes;
		entry->emit = (uint8_t)info->emit;
		entry->jit = 1;
		entry->verdict = (uint8_t)slot->loaded->proof.kind;
		entry->worker = 1;
		memcpy(entry->sha256, slot->loaded->sha256, sizeof(entry->sha256));
		snprintf(entry->engine, sizeof(entry->engine), "%s", CSD_LOADED_ENGINE);
	}
}

static void *
compute_log_programs(const struct csd_slots *slots, size_t *length)
{
	struct csd_log_header *header;
	struct csd_program_entry *entry;
	uint16_t i;

	header = compute_log_allocate(slots->options.slots, sizeof(*entry), slots->generation, length);
	if (header == NULL) {
		return NULL;
	}
	entry = (struct csd_program_entry *)(header + 1);
	for (i = 0; i < slots->options.slots; i++) {
		entry[i].pind = i;
		entry[i].refused = slots->slot[i].reason[0] != '\0';
		entry[i].deactivated = slots->slot[i].faults.deactivated != 0;
		if (slots->slot[i].state != CSD_SLOT_EMPTY) {
			compute_log_fill_program(&slots->slot[i], &entry[i]);
		}
	}
	return header;
}

static void *
compute_log_program_types(const struct csd_compute_options *options, size_t *length)
{
	const uint8_t types[] = { options->program_type, CSD_PROGRAM_TYPE_EBPF_BEFORE };
	uint32_t i, count = types[0] == types[1] ? 1 : 2;
	struct nvme_program_types_header *header;
	struct nvme_program_type_descriptor *descriptor;

	*length = sizeof(*header) + count * sizeof(*descriptor);
	header = calloc(1, *length);
	if (header == NULL) {
		*length = 0;
		return NULL;
	}
	header->count = count;
	descriptor = (struct nvme_program_type_descriptor *)(header + 1);
	for (i = 0; i < count; i++) {
		descriptor[i].ptype = types[i];
		descriptor[i].version = CSD_EBPF_VERSION;
		descriptor[i].max_bytes = options->max_program_bytes;
		snprintf(descriptor[i].name, sizeof(descriptor[i].name), "eBPF");
	}
	return header;
}

/* Sets and all of their ranges. */
static uint32_t
compute_log_count_sets(const struct csd_range_sets *sets, uint32_t *ranges)
{
	uint32_t i, count = 0;

	*ranges = 0;
	for (i = 0; i < sets->size; i++) {
		count += sets->set[i].ranges > 0;
		*ranges += sets->set[i].ranges;
	}
	return count;
}

static void *
compute_log_range_sets(const struct csd_range_sets *sets, size_t *length)
{
	struct nvme_range_sets_header *header;
	struct nvme_range_set_descriptor *descriptor;
	uint32_t i, ranges, count = compute_log_count_sets(sets, &ranges);
	uint8_t *at;

	*length = sizeof(*header) + count * sizeof(*descriptor) + ranges * sizeof(struct nvme_memory_range);
	header = calloc(1, *length);
	if (header == NULL) {
		*length = 0;
		return NULL;
	}
	header->count = count;
	at = (uint8_t *)(header + 1);
	for (i = 0; i < sets->size; i++) {
		const struct csd_range_set *set = &sets->set[i];

		if (set->ranges > 0) {
			descriptor = (struct nvme_range_set_descriptor *)at;
			descriptor->rsid = (uint16_t)(i + 1);
			descriptor->ranges = set->ranges;
			memcpy(descriptor + 1, set->range, set->ranges * sizeof(set->range[0]));
			at += sizeof(*descriptor) + set->ranges * sizeof(set->range[0]);
		}
	}
	return header;
}

static void *
compute_log_range_sets_in_use(const struct csd_range_sets *sets, size_t *length)
{
	struct csd_log_header *header;
	struct csd_range_set_entry *entry;
	uint32_t i, ranges;

	header = compute_log_allocate(compute_log_count_sets(sets, &ranges), sizeof(*entry), sets->generation, length);
	if (header == NULL) {
		return NULL;
	}
	entry = (struct csd_range_set_entry *)(header + 1);
	for (i = 0; i < sets->size; i++) {
		if (sets->set[i].ranges > 0) {
			entry->rsid = (uint16_t)(i + 1);
			entry->users = sets->set[i].users;
			entry++;
		}
	}
	return header;
}

static void *
compute_log_program_reason(const struct csd_slots *slots, uint16_t pind, size_t *length)
{
	char *reason;

	*length = 0;
	if (pind >= slots->options.slots) {
		return NULL;
	}
	reason = calloc(1, CSD_REASON_BYTES);
	if (reason != NULL) {
		const struct csd_slot *slot = &slots->slot[pind];

		*length = CSD_REASON_BYTES;
		snprintf(reason, CSD_REASON_BYTES, "%s", slot->loaded != NULL ? slot->loaded->proof.words : slot->reason);
	}
	return reason;
}

static void *
compute_log_program_fault(const struct csd_slots *slots, uint16_t pind, size_t *length)
{
	char *text;

	*length = 0;
	if (pind >= slots->options.slots) {
		return NULL;
	}
	text = calloc(1, CSD_FAULT_TEXT_BYTES);
	if (text != NULL) {
		*length = CSD_FAULT_TEXT_BYTES;
		csd_faults_explain(&slots->slot[pind].faults, false, text);
	}
	return text;
}

static void
compute_log_fill_faults(const struct csd_faults *faults, struct csd_statistics_entry *entry)
{
	entry->faults = faults->count;
	entry->fault_seconds = (uint64_t)faults->last.seconds;
	entry->fault_signal = faults->last.signal;
	entry->fault_kind = (uint8_t)faults->last.kind;
}

static void *
compute_log_program_statistics(const struct csd_slots *slots, size_t *length)
{
	struct csd_log_header *header;
	struct csd_statistics_entry *entry;
	uint32_t count = 0;
	uint16_t i;

	for (i = 0; i < slots->options.slots; i++) {
		count += slots->slot[i].used;
	}
	header = compute_log_allocate(count, sizeof(*entry), slots->generation, length);
	if (header == NULL) {
		return NULL;
	}
	entry = (struct csd_statistics_entry *)(header + 1);
	for (i = 0; i < slots->options.slots; i++) {
		if (slots->slot[i].used) {
			entry->pind = i;
			csd_statistics_read(&slots->slot[i].statistics, entry);
			compute_log_fill_faults(&slots->slot[i].faults, entry);
			entry++;
		}
	}
	return header;
}

void *
csd_compute_log_page(struct csd_namespace *ns, uint8_t lid, uint16_t specific, size_t *length)
{
	struct csd_compute *compute = SPDK_CONTAINEROF(ns, struct csd_compute, ns);
	struct csd_slots *slots = &compute->slots;
	void *page = NULL;

	*length = 0;
	if (lid == NVME_LOG_MEMORY_RANGE_SETS || lid == CSD_LOG_RANGE_SETS_IN_USE) {
		pthread_mutex_lock(&compute->sets.mutex);
		page = lid == NVME_LOG_MEMORY_RANGE_SETS ? compute_log_range_sets(&compute->sets, length) :
		       compute_log_range_sets_in_use(&compute->sets, length);
		pthread_mutex_unlock(&compute->sets.mutex);
		return page;
	}
	pthread_mutex_lock(&slots->mutex);
	switch (lid) {
	case NVME_LOG_PROGRAM_LIST:
		page = compute_log_program_list(slots, length);
		break;
	case NVME_LOG_PROGRAM_TYPES:
		page = compute_log_program_types(&compute->options, length);
		break;
	case CSD_LOG_PROGRAMS:
		page = compute_log_programs(slots, length);
		break;
	case CSD_LOG_PROGRAM_REASON:
		page = compute_log_program_reason(slots, specific, length);
		break;
	case CSD_LOG_PROGRAM_FAULT:
		page = compute_log_program_fault(slots, specific, length);
		break;
	case CSD_LOG_PROGRAM_STATISTICS:
		page = compute_log_program_statistics(slots, length);
		break;
	}
	pthread_mutex_unlock(&slots->mutex);
	return page;
}
