/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Log pages of a compute namespace: snapshots, in the layouts of nvme_csd.h. */
#include "csd_compute_private.h"

static void *
allocate(uint32_t count, uint32_t entry_bytes, uint64_t generation, size_t *length)
{
	struct nvme_csd_log_header *header;

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

static void
fill_program(const struct csd_slot *slot, struct nvme_program_entry *entry)
{
	entry->ptype = slot->program_type;
	entry->state = (uint8_t)slot->state;
	entry->psize = slot->size;
	entry->pid = slot->pid;
	entry->refused = slot->reason[0] != '\0';
	if (slot->loaded != NULL) {
		const struct csd_program_info *info = slot->loaded->info;

		entry->record_bytes = info->record_bytes;
		entry->stride_bytes = info->stride_bytes;
		entry->state_bytes = info->state_bytes;
		entry->emit = (uint8_t)info->emit;
		entry->jit = info->jit;
		memcpy(entry->sha256, slot->loaded->sha256, sizeof(entry->sha256));
		snprintf(entry->engine, sizeof(entry->engine), "%s", info->engine);
	}
}

static void *
program_list(struct csd_slots *slots, size_t *length)
{
	struct nvme_csd_log_header *header;
	struct nvme_program_entry *entry;
	uint16_t i;

	header = allocate(slots->options.slots, sizeof(*entry), slots->generation, length);
	if (header == NULL) {
		return NULL;
	}
	entry = (struct nvme_program_entry *)(header + 1);
	for (i = 0; i < slots->options.slots; i++) {
		entry[i].pind = i;
		if (slots->slot[i].state == CSD_SLOT_EMPTY) {
			entry[i].refused = slots->slot[i].reason[0] != '\0';
		} else {
			fill_program(&slots->slot[i], &entry[i]);
		}
	}
	return header;
}

static void *
program_types(const struct csd_compute_options *options, size_t *length)
{
	struct nvme_csd_log_header *header;
	struct nvme_program_type_entry *entry;

	header = allocate(1, sizeof(*entry), 1, length);
	if (header == NULL) {
		return NULL;
	}
	entry = (struct nvme_program_type_entry *)(header + 1);
	entry->ptype = options->program_type;
	entry->max_bytes = options->max_program_bytes;
	snprintf(entry->name, sizeof(entry->name), "eBPF");
	return header;
}

static void *
range_sets(struct csd_range_sets *sets, size_t *length)
{
	struct nvme_csd_log_header *header;
	struct nvme_range_set_entry *entry;
	uint32_t i, count = 0;

	for (i = 0; i < sets->size; i++) {
		count += sets->set[i].ranges > 0;
	}
	header = allocate(count, sizeof(*entry), sets->generation, length);
	if (header == NULL) {
		return NULL;
	}
	entry = (struct nvme_range_set_entry *)(header + 1);
	for (i = 0; i < sets->size; i++) {
		const struct csd_range_set *set = &sets->set[i];

		if (set->ranges > 0) {
			entry->rsid = (uint16_t)(i + 1);
			entry->ranges = set->ranges;
			entry->in_use = set->users > 0;
			memcpy(entry->range, set->range, set->ranges * sizeof(set->range[0]));
			entry++;
		}
	}
	return header;
}

static void *
program_reason(const struct csd_slots *slots, uint16_t pind, size_t *length)
{
	char *reason;

	*length = 0;
	if (pind >= slots->options.slots) {
		return NULL;
	}
	reason = calloc(1, CSD_REASON_BYTES);
	if (reason != NULL) {
		*length = CSD_REASON_BYTES;
		snprintf(reason, CSD_REASON_BYTES, "%s", slots->slot[pind].reason);
	}
	return reason;
}

static void *
program_statistics(const struct csd_slots *slots, size_t *length)
{
	struct nvme_csd_log_header *header;
	struct csd_statistics_entry *entry;
	uint32_t count = 0;
	uint16_t i;

	for (i = 0; i < slots->options.slots; i++) {
		count += slots->slot[i].used;
	}
	header = allocate(count, sizeof(*entry), slots->generation, length);
	if (header == NULL) {
		return NULL;
	}
	entry = (struct csd_statistics_entry *)(header + 1);
	for (i = 0; i < slots->options.slots; i++) {
		if (slots->slot[i].used) {
			entry->pind = i;
			csd_statistics_read(&slots->slot[i].statistics, entry);
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
	if (lid == NVME_LOG_MEMORY_RANGE_SETS) {
		pthread_mutex_lock(&compute->sets.mutex);
		page = range_sets(&compute->sets, length);
		pthread_mutex_unlock(&compute->sets.mutex);
		return page;
	}
	pthread_mutex_lock(&slots->mutex);
	switch (lid) {
	case NVME_LOG_PROGRAM_LIST:
		page = program_list(slots, length);
		break;
	case NVME_LOG_PROGRAM_TYPES:
		page = program_types(&compute->options, length);
		break;
	case CSD_LOG_PROGRAM_REASON:
		page = program_reason(slots, specific, length);
		break;
	case CSD_LOG_PROGRAM_STATISTICS:
		page = program_statistics(slots, length);
		break;
	}
	pthread_mutex_unlock(&slots->mutex);
	return page;
}
