/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Blobs that were compiled before, by what they were made of. For the one who starts csd_compile: the folder is its own,
 * nobody else writes there, and the compiler never sees it. One process at a time has a cache.
 *
 * An entry is a blob and, behind it, the SHA-256 of its bytes. It appears under its name when it is whole. What is found
 * altered or cut off is removed, and counts as not found.
 *
 * A copy of such a folder, for others to read: nothing of it is removed or marked as used.
 */
#ifndef CSD_CACHE_H
#define CSD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "csd_code.h"

#define CSD_CACHE_NAME	65	/* 64 hexadecimal digits and a zero */

struct csd_cache {
	int folder;
	bool read_only;
	uint64_t most_bytes;	/* of all entries; the ones that were longest not used go */
};

/* Whether a folder can be one: it is made, or it is this user's alone. 0; or -errno, with words. */
int csd_cache_check(const char *path, char reason[CSD_REASON_BYTES]);

/* Makes the folder, but not those above it; removes what an interrupted write left. 0 or -errno. */
int csd_cache_open(struct csd_cache *cache, const char *path, uint64_t most_bytes);
/* A folder of root or of this user, to which nobody else can write. 0 or -errno; -EPERM: it is none. */
int csd_cache_open_read_only(struct csd_cache *cache, const char *path);
void csd_cache_close(struct csd_cache *cache);

/* What the compiler that fills it said of itself. 0 or -errno; -ENOENT: none has yet; -EFBIG: `size` is too small. */
int csd_cache_keep_identity(const struct csd_cache *cache, const char *identity);
int csd_cache_kept_identity(const struct csd_cache *cache, char *identity, size_t size);

/* Of an object, and of what `csd_compile --identity` prints. 0, or -ENOTSUP: libcrypto has no SHA-256. */
int csd_cache_name(char name[CSD_CACHE_NAME], const char *identity, const void *object, size_t length);

/*
 * A descriptor (a memfd, sealed: nobody changes it any more) of the blob; -ENOENT: not there, or no longer; -EINVAL: altered,
 * and not removed, for the cache is read-only; -errno. A blob that csd_blob_check() takes, and the one that was put there.
 */
int csd_cache_get(const struct csd_cache *cache, const char *name);

/* What lies in a file from its begin on. 0, -EINVAL: no blob, -EFBIG: more than the whole cache may have, or -errno. */
int csd_cache_put(const struct csd_cache *cache, const char *name, int blob);

#endif
