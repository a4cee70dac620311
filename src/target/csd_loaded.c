/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_loaded.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "csd_bare.h"
#include "csd_check.h"
#include "csd_policy.h"
#include "csd_source.h"
#include "csd_workers.h"

/* A csd/buffer program is given at least so much of its input, if there is as much: no line may be longer. */
#define LOADED_BUFFER_BYTES	CSD_MAX_RECORD_BYTES

static void
loaded_describe(struct csd_loaded *loaded, const struct csd_object *object)
{
	const struct csd_geometry *geometry = &object->geometry;
	bool records = strcmp(object->kind, "csd/record") == 0;

	loaded->info = (struct csd_program_info) {
		.kind = records ? "csd/record" : "csd/buffer",
		.record_bytes = records ? geometry->record_bytes : LOADED_BUFFER_BYTES,
		.stride_bytes = records ? geometry->stride_bytes : 1,
		.state_bytes = (uint32_t)object->areas[CSD_AREA_STATE].length,
		.emit = records ? geometry->emit : CSD_EMIT_NOTHING,
		.emit_bytes = !records || geometry->emit == CSD_EMIT_NOTHING ? 0 : geometry->emit == CSD_EMIT_RECORD ?
			      geometry->record_bytes : sizeof(uint64_t),
		.instructions = object->count,
		.code_bytes = (uint32_t)loaded->header.code_bytes,
		.kept_bytes = (uint32_t)loaded->header.kept_bytes,
	};
}

/* `bytes`: as csd_object_read() takes them. */
static int
loaded_compile(struct csd_loaded *loaded, const void *bytes, size_t length, const bool *cancelled,
	       char reason[CSD_REASON_BYTES])
{
	struct csd_object *object = calloc(1, sizeof(*object));
	int rc = object == NULL ? -ENOMEM : csd_object_read(bytes, length, object, reason);

	if (rc != 0) {
		free(object);
		return rc;
	}
	loaded->object = object;
	rc = csd_check(object, reason);
	if (rc == 0) {
		rc = csd_prove(object, &loaded->proof);
	}
	if (rc == 0 && !csd_policy_takes(&loaded->proof, reason)) {
		rc = -EINVAL;
	}
	if (rc == 0 &&
	    csd_workers_compile(bytes, length, cancelled, &loaded->blob, &loaded->header, reason) != CSD_BLOB_READY) {
		rc = -EINVAL;
	}
	if (rc == 0) {
		loaded_describe(loaded, object);
	}
	if (rc == 0 && loaded->header.kept_bytes > 0) {
		loaded->kept = csd_kept_create(loaded->header.kept_bytes);
		rc = loaded->kept == NULL ? -ENOMEM : 0;
	}
	return rc;
}

static int
loaded_compile_bare(struct csd_loaded *loaded, const bool *cancelled, char reason[CSD_REASON_BYTES])
{
	const struct csd_load_options *options = &loaded->options;
	uint32_t record_bytes = options->record_bytes != 0 ? options->record_bytes : 64;
	const struct csd_bare bare = {
		.magic = CSD_BARE_MAGIC,
		.geometry = {
			.version = CSD_GEOMETRY_VERSION,
			.record_bytes = record_bytes,
			.stride_bytes = options->stride_bytes != 0 ? options->stride_bytes : record_bytes,
			.state_bytes = options->state_bytes != 0 ? options->state_bytes : 64,
			.emit = options->emit,
		},
	};
	size_t length = sizeof(bare) + loaded->length;
	uint8_t *bytes = malloc(length);
	int rc;

	if (bytes == NULL) {
		return -ENOMEM;
	}
	memcpy(bytes, &bare, sizeof(bare));
	memcpy(bytes + sizeof(bare), loaded->bytes, loaded->length);
	rc = loaded_compile(loaded, bytes, length, cancelled, reason);
	free(bytes);
	return rc;
}

void
csd_loaded_place(const struct csd_loaded *loaded, int64_t instruction, char place[CSD_PLACE_BYTES])
{
	const struct csd_function *function = instruction < 0 || instruction > UINT32_MAX ? NULL :
					      csd_object_function(loaded->object, (uint32_t)instruction);
	struct csd_source source;
	const char *file;
	size_t used;

	if (function == NULL) {
		snprintf(place, CSD_PLACE_BYTES, "an unknown instruction");
		return;
	}
	snprintf(place, CSD_PLACE_BYTES, "instruction %u of %s, in %s", (uint32_t)instruction - function->section_begin,
		 function->section, function->name);
	if (csd_source_find(loaded->bytes, loaded->length, loaded->object, (uint32_t)instruction, &source)) {
		file = strrchr(source.file, '/');
		used = strlen(place);
		snprintf(place + used, CSD_PLACE_BYTES - used, ": %s:%u: %s", file != NULL ? file + 1 : source.file, source.line,
			 source.text);
	}
}

static void
loaded_free(struct csd_loaded *loaded)
{
	if (loaded->object != NULL) {
		csd_object_free(loaded->object);
		free(loaded->object);
	}
	csd_kept_free(loaded->kept);
	csd_memory_put(loaded->blob);
	free(loaded->bytes);
	free(loaded);
}

static int
loaded_load(struct csd_loaded *loaded, const bool *cancelled, char reason[CSD_REASON_BYTES])
{
	if (loaded->length >= SELFMAG && memcmp(loaded->bytes, ELFMAG, SELFMAG) == 0) {
		return loaded_compile(loaded, loaded->bytes, loaded->length, cancelled, reason);
	}
	return loaded_compile_bare(loaded, cancelled, reason);
}

struct csd_loaded *
csd_loaded_create(uint8_t *bytes, uint32_t length, const struct csd_load_options *options, const bool *cancelled,
		  char reason[CSD_REASON_BYTES])
{
	struct csd_loaded *loaded = calloc(1, sizeof(*loaded));

	reason[0] = '\0';
	if (loaded == NULL) {
		snprintf(reason, CSD_REASON_BYTES, "no memory");
		free(bytes);
		return NULL;
	}
	loaded->references = 1;
	loaded->bytes = bytes;
	loaded->length = length;
	loaded->options = *options;
	if (EVP_Digest(bytes, length, loaded->sha256, NULL, EVP_sha256(), NULL) != 1) {
		snprintf(reason, CSD_REASON_BYTES, "libcrypto has no SHA-256");
	} else if (loaded_load(loaded, cancelled, reason) == 0) {
		return loaded;
	} else if (reason[0] == '\0') {
		snprintf(reason, CSD_REASON_BYTES, "no memory for the program");
	}
	loaded_free(loaded);
	return NULL;
}

struct csd_loaded *
csd_loaded_get(struct csd_loaded *loaded)
{
	__atomic_fetch_add(&loaded->references, 1, __ATOMIC_RELAXED);
	return loaded;
}

void
csd_loaded_put(struct csd_loaded *loaded)
{
	if (loaded == NULL || __atomic_sub_fetch(&loaded->references, 1, __ATOMIC_ACQ_REL) > 0) {
		return;
	}
	loaded_free(loaded);
}

void
csd_loaded_retire(struct csd_loaded *loaded)
{
	__atomic_store_n(&loaded->retired, true, __ATOMIC_RELEASE);
	csd_loaded_put(loaded);
}

bool
csd_loaded_is_retired(const struct csd_loaded *loaded)
{
	return __atomic_load_n(&loaded->retired, __ATOMIC_ACQUIRE);
}
