/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_loaded.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

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
	} else if (csd_program_load(bytes, length, options, &loaded->program, reason) == 0) {
		loaded->info = csd_program_info(loaded->program);
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
	csd_program_unload(loaded->program);
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
