/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* SHA-256, and the answers that the data set's construction gives without any device. */
#ifndef CSD_DIGEST_H
#define CSD_DIGEST_H

#include <openssl/evp.h>

#include "csd_record.h"

#define CSD_HEX_BYTES	65

struct csd_digest {
	EVP_MD_CTX *ctx;
};

void csd_digest_begin(struct csd_digest *digest);
void csd_digest_add(struct csd_digest *digest, const void *data, size_t bytes);
void csd_digest_end(struct csd_digest *digest, char hex[CSD_HEX_BYTES]);

/* SHA-256 of one piece of memory. */
void csd_digest_of(const void *data, size_t bytes, char hex[CSD_HEX_BYTES]);

struct csd_match_answer {
	uint64_t matches;
	char sha256[CSD_HEX_BYTES];	/* of the matching records, in order */
};

struct csd_answer {
	char sha256[CSD_HEX_BYTES];	/* of all records */
	struct csd_match_answer at[CSD_SELECTIVITIES];
};

/* The known answer, from the generator alone. */
void csd_answer_compute(const struct csd_dataset *set, struct csd_answer *answer);

#endif
