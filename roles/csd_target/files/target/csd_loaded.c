/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_loaded.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <string.h>

#include <openssl/evp.h>

#include "csd_check.h"
#include "csd_workers.h"

/* A csd/buffer program is given at least so much of its input, if there is as much: no line may be longer. */
#define LOADED_BUFFER_BYTES	CSD_MAX_RECORD_BYTES

static void
loaded_describe(struct csd_loaded *loaded, const struct csd_object *object)
{
	const struct csd_geometry *geometry = &object->geometry;
	bool records = strcmp(object->kind, "csd/record") == 0;

	loaded->worker_info = (struct csd_program_info) {
		.engine = "worker",
		.kind = records ? "csd/record" : "csd/buffer",
		.jit = true,
		.record_bytes = records ? geometry->record_bytes : LOADED_BUFFER_BYTES,
		.stride_bytes = records ? geometry->stride_bytes : 1,
		.state_bytes = (uint32_t)object->areas[CSD_AREA_STATE].length,
		.emit = records ? geometry->emit : CSD_EMIT_NOTHING,
		.emit_bytes = !records || geometry->emit == CSD_EMIT_NOTHING ? 0 : geometry->emit == CSD_EMIT_RECORD ?
			      geometry->record_bytes : sizeof(uint64_t),
		.instructions = object->count,
		.jit_bytes = (uint32_t)loaded->header.code_bytes,
		.longest_ns = 1,
	};
	loaded->info = &loaded->worker_info;
}

static int
loaded_compile(struct csd_loaded *loaded, char reason[CSD_REASON_BYTES])
{
	static struct csd_object object;	/* of the one thread that loads */
	int rc = csd_object_read(loaded->bytes, loaded->length, &object, reason);

	if (rc == 0) {
		rc = csd_check(&object, reason);
		if (rc == 0 && csd_workers_compile(loaded->bytes, loaded->length, &loaded->blob, &loaded->header, reason) !=
			       CSD_BLOB_READY) {
			rc = -EINVAL;
		}
		if (rc == 0) {
			loaded_describe(loaded, &object);
		}
		csd_object_free(&object);
	}
	return rc;
}

/* A bare stream of instructions, or what is to be interpreted, has no place but in this process. */
static int
loaded_load(struct csd_loaded *loaded, char reason[CSD_REASON_BYTES])
{
	int rc;

	if (csd_workers_enabled() && !loaded->options.interpret && loaded->length >= SELFMAG && memcmp(loaded->bytes, ELFMAG, SELFMAG) == 0) {
		return loaded_compile(loaded, reason);
	}
	rc = csd_program_load(loaded->bytes, loaded->length, &loaded->options, &loaded->program, reason);
	loaded->info = rc == 0 ? csd_program_info(loaded->program) : NULL;
	return rc;
}

struct csd_loaded *
csd_loaded_create(uint8_t *bytes, uint32_t length, const struct csd_load_options *options,
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
	} else if (loaded_load(loaded, reason) == 0) {
		return loaded;
	} else if (reason[0] == '\0') {
		snprintf(reason, CSD_REASON_BYTES, "no memory for the program");
	}
	free(bytes);
	free(loaded);
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
	if (loaded->program != NULL) {
		csd_program_unload(loaded->program);
	}
	csd_memory_put(loaded->blob);
	free(loaded->bytes);
	free(loaded);
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
