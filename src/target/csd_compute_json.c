/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A compute namespace in JSON: what bdev_get_bdevs shows of it, and the methods that make it again. */
#include "csd_compute_private.h"
#include "csd_emit.h"

#include "spdk/base64.h"
#include "spdk/json.h"
#include "spdk/util.h"

/* SPDK's JSON-RPC server reads requests of at most 32 KiB: a larger program is saved in several. */
#define SAVED_BYTES	(16 * 1024)

static void
compute_json_write_options(const struct csd_compute_options *options, struct spdk_json_write_ctx *w)
{
	spdk_json_write_named_uint32(w, "slots", options->slots);
	spdk_json_write_named_uint32(w, "max_active", options->max_active);
	spdk_json_write_named_uint32(w, "max_range_sets", options->max_range_sets);
	spdk_json_write_named_uint32(w, "max_program_bytes", options->max_program_bytes);
	spdk_json_write_named_uint64(w, "max_total_bytes", options->max_total_bytes);
	spdk_json_write_named_uint32(w, "program_type", options->program_type);
}

void
csd_compute_write_info(struct csd_namespace *ns, struct spdk_json_write_ctx *w)
{
	struct csd_compute *compute = SPDK_CONTAINEROF(ns, struct csd_compute, ns);

	spdk_json_write_named_object_begin(w, "csd_compute");
	compute_json_write_options(&compute->options, w);
	spdk_json_write_object_end(w);
}

static void
compute_json_method_begin(struct spdk_json_write_ctx *w, const char *method, const char *name)
{
	spdk_json_write_object_begin(w);
	spdk_json_write_named_string(w, "method", method);
	spdk_json_write_named_object_begin(w, "params");
	spdk_json_write_named_string(w, "name", name);
}

static void
compute_json_method_end(struct spdk_json_write_ctx *w)
{
	spdk_json_write_object_end(w);
	spdk_json_write_object_end(w);
}

static void
compute_json_write_piece(const struct csd_slot *slot, const char *name, uint16_t pind, uint32_t offset, uint32_t length,
			 struct spdk_json_write_ctx *w)
{
	const struct csd_load_options *options = &slot->loaded->options;
	char *base64 = malloc(spdk_base64_get_encoded_strlen(length) + 1);

	if (base64 == NULL || spdk_base64_encode(base64, slot->loaded->bytes + offset, length) != 0) {
		free(base64);
		return;
	}
	compute_json_method_begin(w, "csd_load_program", name);
	spdk_json_write_named_uint32(w, "pind", pind);
	spdk_json_write_named_string(w, "program", base64);
	spdk_json_write_named_uint32(w, "program_type", slot->program_type);
	if (slot->pit == NVME_PIT_PUID) {
		spdk_json_write_named_uint64(w, "pid", slot->pid);
	}
	if (slot->size > SAVED_BYTES) {
		spdk_json_write_named_uint32(w, "offset", offset);
		spdk_json_write_named_uint32(w, "size", slot->size);
	}
	if (options->record_bytes != 0 || options->stride_bytes != 0 || options->state_bytes != 0 || options->emit != 0) {
		spdk_json_write_named_uint32(w, "record_bytes", options->record_bytes);
		spdk_json_write_named_uint32(w, "stride_bytes", options->stride_bytes);
		spdk_json_write_named_uint32(w, "state_bytes", options->state_bytes);
		spdk_json_write_named_string(w, "emit", csd_emit_name(options->emit));
	}
	compute_json_method_end(w);
	free(base64);
}

static void
compute_json_write_program(const struct csd_slot *slot, const char *name, uint16_t pind, struct spdk_json_write_ctx *w)
{
	uint32_t offset;

	for (offset = 0; offset < slot->size; offset += SAVED_BYTES) {
		compute_json_write_piece(slot, name, pind, offset, spdk_min(slot->size - offset, SAVED_BYTES), w);
	}
	if (slot->state == CSD_SLOT_ACTIVE && slot->faults.deactivated == 0) {
		compute_json_method_begin(w, "csd_activate_program", name);
		spdk_json_write_named_uint32(w, "pind", pind);
		compute_json_method_end(w);
	}
}

void
csd_compute_write_config(struct csd_namespace *ns, struct spdk_json_write_ctx *w)
{
	struct csd_compute *compute = SPDK_CONTAINEROF(ns, struct csd_compute, ns);
	struct csd_slots *slots = &compute->slots;
	char uuid[SPDK_UUID_STRING_LEN];
	uint16_t i;

	compute_json_method_begin(w, "bdev_csd_compute_create", ns->name);
	compute_json_write_options(&compute->options, w);
	spdk_uuid_fmt_lower(uuid, sizeof(uuid), &ns->bdev.uuid);
	spdk_json_write_named_string(w, "uuid", uuid);
	compute_json_method_end(w);
	pthread_mutex_lock(&slots->mutex);
	for (i = 0; i < slots->options.slots; i++) {
		if (slots->slot[i].loaded != NULL) {
			compute_json_write_program(&slots->slot[i], ns->name, i, w);
		}
	}
	pthread_mutex_unlock(&slots->mutex);
}
