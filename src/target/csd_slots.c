/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_slots.h"

#include "spdk/util.h"

#include "csd_now.h"

int
csd_slots_init(struct csd_slots *slots, const struct csd_compute_options *options)
{
	slots->options = *options;
	slots->generation = 1;
	slots->slot = calloc(options->slots, sizeof(*slots->slot));
	if (slots->slot == NULL) {
		return -ENOMEM;
	}
	pthread_mutex_init(&slots->mutex, NULL);
	return 0;
}

/* What the slot holds goes. */
static void
slots_clear(struct csd_slots *slots, struct csd_slot *slot)
{
	slots->total_bytes -= slot->size;
	slot->size = 0;
	slot->received = 0;
	free(slot->bytes);
	slot->bytes = NULL;
	slot->owner = NULL;
	if (slot->loaded != NULL) {
		csd_loaded_retire(slot->loaded);
		slot->loaded = NULL;
	}
	csd_faults_forgive(&slot->faults);
	slot->state = CSD_SLOT_EMPTY;
	slots->generation++;
}

void
csd_slots_fini(struct csd_slots *slots)
{
	uint32_t i;

	for (i = 0; i < slots->options.slots; i++) {
		assert(slots->slot[i].running == 0);
		slots_clear(slots, &slots->slot[i]);
		free(slots->slot[i].trace);
	}
	free(slots->slot);
	pthread_mutex_destroy(&slots->mutex);
}

static struct csd_slot *
slots_find(struct csd_slots *slots, uint16_t pind, struct csd_refusal *refusal)
{
	if (pind >= slots->options.slots) {
		csd_refuse_specific(refusal, NVME_SC_INVALID_PROGRAM_INDEX, "slot %u: there are slots 0 to %u",
				    pind, slots->options.slots - 1);
		return NULL;
	}
	return &slots->slot[pind];
}

bool
csd_slots_takes_type(const struct csd_compute_options *options, uint8_t program_type)
{
	return program_type == options->program_type || program_type == CSD_PROGRAM_TYPE_EBPF_BEFORE;
}

static int
slots_begin_load(struct csd_slots *slots, struct csd_slot *slot, const struct csd_chunk *chunk,
		 struct csd_refusal *refusal)
{
	const struct csd_compute_options *options = &slots->options;
	uint64_t others = slots->total_bytes - slot->size;
	uint8_t *bytes;

	if (!csd_slots_takes_type(options, chunk->program_type)) {
		return csd_refuse_specific(refusal, NVME_SC_INVALID_PROGRAM_TYPE,
					   "slot %u: program type %02xh: this drive runs type %02xh (eBPF)",
					   chunk->pind, chunk->program_type, options->program_type);
	}
	if (chunk->size == 0) {
		return csd_refuse_specific(refusal, NVME_SC_INVALID_PROGRAM_DATA, "slot %u: a program of 0 bytes",
					   chunk->pind);
	}
	if (chunk->size > options->max_program_bytes) {
		return csd_refuse_specific(refusal, NVME_SC_PROGRAM_TOO_BIG,
					   "slot %u: a program of %u bytes: one may have %u", chunk->pind,
					   chunk->size, options->max_program_bytes);
	}
	if (others + chunk->size > options->max_total_bytes) {
		return csd_refuse_specific(refusal, NVME_SC_MAXIMUM_PROGRAM_BYTES,
					   "slot %u: a program of %u bytes: the others take %" PRIu64 " of the %" PRIu64
					   " bytes for all", chunk->pind, chunk->size, others, options->max_total_bytes);
	}
	bytes = malloc(chunk->size);
	if (bytes == NULL) {
		return csd_refuse_specific(refusal, NVME_SC_INSUFFICIENT_PROGRAM_RESOURCES,
					   "slot %u: no memory for a program of %u bytes", chunk->pind, chunk->size);
	}
	slots_clear(slots, slot);
	slot->state = CSD_SLOT_LOADING;
	slot->size = chunk->size;
	slots->total_bytes += slot->size;
	slot->bytes = bytes;
	slot->owner = chunk->owner;
	slot->program_type = chunk->program_type;
	slot->pit = chunk->pit;
	slot->pid = chunk->pid;
	slot->options = chunk->options;
	return 0;
}

/* The pieces come in order, without gaps: a repeated or missing one would be a different program. */
static int
slots_check_next_chunk(const struct csd_slot *slot, const struct csd_chunk *chunk, struct csd_refusal *refusal)
{
	if (slot->state != CSD_SLOT_LOADING) {
		return csd_refuse_specific(refusal, NVME_SC_INVALID_PROGRAM_INDEX,
					   "slot %u: bytes from offset %u: no load was begun (with offset 0)",
					   chunk->pind, chunk->offset);
	}
	if (slot->owner != chunk->owner) {
		return csd_refuse_specific(refusal, NVME_SC_PROGRAM_IN_USE, "slot %u: another host is loading it",
					   chunk->pind);
	}
	if (chunk->size != slot->size || chunk->program_type != slot->program_type || chunk->pit != slot->pit ||
	    chunk->pid != slot->pid) {
		return csd_refuse_field(refusal, "slot %u: size %u, type %02xh, identifier %" PRIx64
					"h (type %u): the load began with %u, %02xh, %" PRIx64 "h (type %u)",
					chunk->pind, chunk->size, chunk->program_type, chunk->pid, chunk->pit,
					slot->size, slot->program_type, slot->pid, slot->pit);
	}
	if (chunk->offset != slot->received) {
		return csd_refuse_specific(refusal, NVME_SC_INVALID_PROGRAM_DATA,
					   "slot %u: bytes from offset %u: %u have come so far", chunk->pind,
					   chunk->offset, slot->received);
	}
	return 0;
}

static int
slots_load(struct csd_slots *slots, struct csd_slot *slot, const struct csd_chunk *chunk,
	   struct csd_verification *verification, struct csd_refusal *refusal)
{
	struct iovec to;

	if (slot->state == CSD_SLOT_LOADED || slot->state == CSD_SLOT_ACTIVE) {
		return csd_refuse_specific(refusal, NVME_SC_PROGRAM_IN_USE, "slot %u: it holds %s program: unload it first",
					   chunk->pind, slot->state == CSD_SLOT_ACTIVE ? "an active" : "a");
	}
	if (slot->state == CSD_SLOT_VERIFYING) {
		return csd_refuse_specific(refusal, NVME_SC_PROGRAM_IN_USE,
					   "slot %u: a program is being verified for it", chunk->pind);
	}
	if (chunk->size != 0 && chunk->length == 0) {
		return csd_refuse_field(refusal, "slot %u: a chunk of 0 bytes", chunk->pind);
	}
	if (chunk->size != 0 && (uint64_t)chunk->offset + chunk->length > chunk->size) {
		return csd_refuse_specific(refusal, NVME_SC_PROGRAM_TOO_BIG,
					   "slot %u: %u bytes from offset %u: the program has %u", chunk->pind,
					   chunk->length, chunk->offset, chunk->size);
	}
	if (chunk->offset == 0 ? slots_begin_load(slots, slot, chunk, refusal) :
	    slots_check_next_chunk(slot, chunk, refusal)) {
		return -1;
	}
	to.iov_base = slot->bytes + chunk->offset;
	to.iov_len = chunk->length;
	spdk_iovcpy((struct iovec *)chunk->iov, chunk->iovcnt, &to, 1);
	slot->received += chunk->length;
	if (slot->received < slot->size) {
		return 0;
	}
	verification->pind = chunk->pind;
	verification->bytes = slot->bytes;
	verification->length = slot->size;
	verification->options = slot->options;
	slot->bytes = NULL;
	slot->owner = NULL;
	slot->state = CSD_SLOT_VERIFYING;
	slots->generation++;
	return 1;
}

int
csd_slots_load(struct csd_slots *slots, const struct csd_chunk *chunk, struct csd_verification *verification,
	       struct csd_refusal *refusal)
{
	struct csd_slot *slot = slots_find(slots, chunk->pind, refusal);
	int rc;

	if (slot == NULL) {
		return -1;
	}
	pthread_mutex_lock(&slots->mutex);
	rc = slots_load(slots, slot, chunk, verification, refusal);
	pthread_mutex_unlock(&slots->mutex);
	return rc;
}

void
csd_slots_forget(struct csd_slots *slots, const void *owner)
{
	uint32_t i;

	pthread_mutex_lock(&slots->mutex);
	for (i = 0; i < slots->options.slots; i++) {
		if (slots->slot[i].state == CSD_SLOT_LOADING && slots->slot[i].owner == owner) {
			slots_clear(slots, &slots->slot[i]);
		}
	}
	pthread_mutex_unlock(&slots->mutex);
}

int
csd_slots_verified(struct csd_slots *slots, uint16_t pind, struct csd_loaded *loaded, const char *reason,
		   struct csd_refusal *refusal)
{
	struct csd_slot *slot = &slots->slot[pind];
	int rc = 0;

	pthread_mutex_lock(&slots->mutex);
	assert(slot->state == CSD_SLOT_VERIFYING);
	slot->used = true;
	if (loaded != NULL) {
		slot->loaded = loaded;
		slot->state = CSD_SLOT_LOADED;
		slot->reason[0] = '\0';
		csd_statistics_reset(&slot->statistics);
		slot->faults = (struct csd_faults) {};
		if (slot->trace != NULL) {
			csd_trace_clear(slot->trace);
		}
		slots->generation++;
	} else {
		snprintf(slot->reason, sizeof(slot->reason), "%s", reason);
		csd_count(&slot->statistics.refused, 1);
		slots_clear(slots, slot);
		rc = csd_refuse_specific(refusal, NVME_SC_INVALID_PROGRAM_DATA, "slot %u: program refused: %s", pind,
					 reason);
	}
	pthread_mutex_unlock(&slots->mutex);
	return rc;
}

int
csd_slots_dropped(struct csd_slots *slots, uint16_t pind, struct csd_refusal *refusal)
{
	pthread_mutex_lock(&slots->mutex);
	assert(slots->slot[pind].state == CSD_SLOT_VERIFYING);
	slots_clear(slots, &slots->slot[pind]);
	pthread_mutex_unlock(&slots->mutex);
	return csd_refuse_interrupted(refusal, "slot %u: nobody waits for its program any more: it is dropped", pind);
}

static int
slots_unload(struct csd_slots *slots, struct csd_slot *slot, uint16_t pind, struct csd_refusal *refusal)
{
	switch (slot->state) {
	case CSD_SLOT_EMPTY:
		return csd_refuse_specific(refusal, NVME_SC_NO_PROGRAM, "slot %u: there is no program in it", pind);
	case CSD_SLOT_ACTIVE:
		return csd_refuse_specific(refusal, NVME_SC_PROGRAM_IN_USE,
					   "slot %u: its program is active: deactivate it first", pind);
	case CSD_SLOT_VERIFYING:
		return csd_refuse_specific(refusal, NVME_SC_PROGRAM_IN_USE,
					   "slot %u: its program is being verified", pind);
	case CSD_SLOT_LOADING:
	case CSD_SLOT_LOADED:
		slots_clear(slots, slot);
	}
	return 0;
}

static int
slots_activate(struct csd_slots *slots, struct csd_slot *slot, uint16_t pind, struct csd_refusal *refusal)
{
	if (slot->state == CSD_SLOT_ACTIVE) {
		slot->draining = false;
		csd_faults_forgive(&slot->faults);
		return 0;
	}
	if (slot->state == CSD_SLOT_EMPTY) {
		return csd_refuse_specific(refusal, NVME_SC_NO_PROGRAM, "slot %u: there is no program in it", pind);
	}
	if (slot->state != CSD_SLOT_LOADED) {
		return csd_refuse_specific(refusal, NVME_SC_INVALID_PROGRAM_DATA,
					   "slot %u: its program is not loaded completely", pind);
	}
	if (slots->active == slots->options.max_active) {
		return csd_refuse_specific(refusal, NVME_SC_MAXIMUM_PROGRAMS_ACTIVATED,
					   "slot %u: %u programs are active, and no more may be", pind, slots->active);
	}
	csd_faults_forgive(&slot->faults);
	slot->state = CSD_SLOT_ACTIVE;
	slots->active++;
	slots->generation++;
	return 0;
}

static int
slots_deactivate(struct csd_slots *slots, struct csd_slot *slot, uint16_t pind, struct csd_refusal *refusal)
{
	if (slot->state == CSD_SLOT_EMPTY) {
		return csd_refuse_specific(refusal, NVME_SC_NO_PROGRAM, "slot %u: there is no program in it", pind);
	}
	if (slot->state != CSD_SLOT_ACTIVE) {
		return 0;
	}
	if (slot->running > 0) {
		return csd_refuse_specific(refusal, NVME_SC_PROGRAM_IN_USE, "slot %u: %u commands run its program",
					   pind, slot->running);
	}
	slot->state = CSD_SLOT_LOADED;
	slot->draining = false;
	slots->active--;
	slots->generation++;
	return 0;
}

static int
slots_drain(struct csd_slots *slots, struct csd_slot *slot, uint16_t pind, struct csd_refusal *refusal)
{
	slot->draining = slot->state == CSD_SLOT_ACTIVE;
	return slots_deactivate(slots, slot, pind, refusal);
}

static int
slots_change(struct csd_slots *slots, uint16_t pind, struct csd_refusal *refusal,
	     int (*how)(struct csd_slots *slots, struct csd_slot *slot, uint16_t pind, struct csd_refusal *refusal))
{
	struct csd_slot *slot = slots_find(slots, pind, refusal);
	int rc;

	if (slot == NULL) {
		return -1;
	}
	pthread_mutex_lock(&slots->mutex);
	rc = how(slots, slot, pind, refusal);
	pthread_mutex_unlock(&slots->mutex);
	return rc;
}

int
csd_slots_unload(struct csd_slots *slots, uint16_t pind, struct csd_refusal *refusal)
{
	return slots_change(slots, pind, refusal, slots_unload);
}

int
csd_slots_activate(struct csd_slots *slots, uint16_t pind, struct csd_refusal *refusal)
{
	return slots_change(slots, pind, refusal, slots_activate);
}

int
csd_slots_deactivate(struct csd_slots *slots, uint16_t pind, struct csd_refusal *refusal)
{
	return slots_change(slots, pind, refusal, slots_deactivate);
}

int
csd_slots_drain(struct csd_slots *slots, uint16_t pind, struct csd_refusal *refusal)
{
	return slots_change(slots, pind, refusal, slots_drain);
}

int
csd_slots_acquire(struct csd_slots *slots, uint16_t pind, struct csd_loaded **loaded, struct csd_refusal *refusal)
{
	struct csd_slot *slot = slots_find(slots, pind, refusal);
	int rc = 0;

	if (slot == NULL) {
		return -1;
	}
	pthread_mutex_lock(&slots->mutex);
	if (slot->state == CSD_SLOT_ACTIVE && !slot->draining) {
		slot->running++;
		*loaded = csd_loaded_get(slot->loaded);
	} else if (slot->state == CSD_SLOT_LOADED || slot->draining) {
		rc = csd_refuse_specific(refusal, NVME_SC_PROGRAM_NOT_ACTIVATED, "slot %u: its program is not active%s", pind,
					 slot->faults.deactivated != 0 ? ": faults deactivated it" : "");
	} else {
		rc = csd_refuse_specific(refusal, NVME_SC_INVALID_PROGRAM_INDEX, "slot %u: there is no program in it", pind);
	}
	pthread_mutex_unlock(&slots->mutex);
	return rc;
}

void
csd_slots_release(struct csd_slots *slots, uint16_t pind, struct csd_loaded *loaded)
{
	struct csd_slot *slot = &slots->slot[pind];
	struct csd_refusal refusal;

	pthread_mutex_lock(&slots->mutex);
	slot->running--;
	if (slot->running == 0 && slot->faults.deactivated != 0) {
		slots_deactivate(slots, slot, pind, &refusal);
	}
	pthread_mutex_unlock(&slots->mutex);
	csd_loaded_put(loaded);
}

bool
csd_slots_may_begin(const struct csd_slots *slots, uint16_t pind)
{
	return __atomic_load_n(&slots->slot[pind].faults.deactivated, __ATOMIC_RELAXED) == 0;
}

bool
csd_slots_fault(struct csd_slots *slots, uint16_t pind, const struct csd_fault *fault, char explained[CSD_FAULT_TEXT_BYTES])
{
	struct csd_slot *slot = &slots->slot[pind];
	bool too_many;

	pthread_mutex_lock(&slots->mutex);
	too_many = csd_faults_add(&slot->faults, fault, csd_now(), csd_faults_limit());
	if (too_many) {
		slot->draining = slot->state == CSD_SLOT_ACTIVE;
		slots->generation++;
		csd_faults_explain(&slot->faults, true, explained);
	}
	pthread_mutex_unlock(&slots->mutex);
	return too_many;
}

void
csd_slots_trace(struct csd_slots *slots, uint16_t pind, const uint8_t *lines, uint32_t bytes, uint64_t lost)
{
	struct csd_slot *slot = &slots->slot[pind];

	pthread_mutex_lock(&slots->mutex);
	if (slot->trace == NULL) {
		slot->trace = calloc(1, sizeof(*slot->trace));
	}
	if (slot->trace != NULL) {
		csd_trace_add(slot->trace, lines, bytes, lost);
	}
	pthread_mutex_unlock(&slots->mutex);
}
