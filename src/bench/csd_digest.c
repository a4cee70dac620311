/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH	4096

/* Without memory for one small context nothing else would work either. */
void
csd_digest_begin(struct csd_digest *digest)
{
	digest->ctx = EVP_MD_CTX_new();
	if (digest->ctx == NULL || EVP_DigestInit_ex(digest->ctx, EVP_sha256(), NULL) != 1) {
		fputs("asked: SHA-256\nfound: libcrypto has none\ndo: repair libssl3\n", stderr);
		abort();
	}
}

void
csd_digest_add(struct csd_digest *digest, const void *data, size_t bytes)
{
	EVP_DigestUpdate(digest->ctx, data, bytes);
}

void
csd_digest_end(struct csd_digest *digest, char hex[CSD_HEX_BYTES])
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned int size = 0, i;

	EVP_DigestFinal_ex(digest->ctx, raw, &size);
	EVP_MD_CTX_free(digest->ctx);
	for (i = 0; i < size; i++) {
		snprintf(hex + 2 * i, 3, "%02x", raw[i]);
	}
}

void
csd_digest_of(const void *data, size_t bytes, char hex[CSD_HEX_BYTES])
{
	struct csd_digest digest;

	csd_digest_begin(&digest);
	csd_digest_add(&digest, data, bytes);
	csd_digest_end(&digest, hex);
}

/*
 * Does not use the native program: the answer is what that is held against. A record matches at the selectivities
 * whose threshold its temperature reaches.
 */
void
csd_answer_compute(const struct csd_dataset *set, struct csd_answer *answer)
{
	static struct csd_record batch[BATCH], matching[BATCH];
	struct csd_digest all, some[CSD_SELECTIVITIES];
	uint64_t first;
	size_t level, i;

	memset(answer, 0, sizeof(*answer));
	csd_digest_begin(&all);
	for (level = 0; level < CSD_SELECTIVITIES; level++) {
		csd_digest_begin(&some[level]);
	}
	for (first = 0; first < set->records; first += BATCH) {
		size_t count = set->records - first < BATCH ? (size_t)(set->records - first) : BATCH;

		csd_dataset_fill(set, first, count, batch);
		csd_digest_add(&all, batch, count * sizeof(*batch));
		for (level = 0; level < CSD_SELECTIVITIES; level++) {
			size_t found = 0;

			for (i = 0; i < count; i++) {
				if (batch[i].temperature >= csd_selectivities[level].threshold) {
					memcpy(&matching[found++], &batch[i], sizeof(*matching));
				}
			}
			csd_digest_add(&some[level], matching, found * sizeof(*matching));
			answer->at[level].matches += found;
		}
	}
	csd_digest_end(&all, answer->sha256);
	for (level = 0; level < CSD_SELECTIVITIES; level++) {
		csd_digest_end(&some[level], answer->at[level].sha256);
	}
}
