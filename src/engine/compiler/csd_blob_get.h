/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The blob of a program: out of the cache, or from csd_compile, which is started for it. For threads that may wait, several
 * at a time; never a reactor's.
 */
#ifndef CSD_BLOB_GET_H
#define CSD_BLOB_GET_H

#include "csd_blob.h"
#include "csd_code.h"
#include "csd_memory.h"

struct csd_blob_options {
	const char *compile;		/* path of csd_compile */
	const char *const *arguments;	/* more for it, up to a NULL; NULL: none */
	const char *cache;		/* a folder of this process alone; NULL: none */
	const char *blobs;		/* a copy of another's cache: nothing is compiled, and `cache` is not used; NULL: none */
	const char *more_blobs;		/* further entries, made by the same csd_compile; NULL: none */
	uint64_t cache_bytes;
	uint32_t seconds;		/* that csd_compile may take: more than its own --seconds */
};

/* As csd_compile ends (csd_compile.h). */
enum csd_blob_end {
	CSD_BLOB_READY = 0,
	CSD_BLOB_REFUSED = 1,	/* the program */
	CSD_BLOB_OVER = 2,	/* a limit */
	CSD_BLOB_FAILED = 3,	/* anything else */
};

struct csd_blob_maker;

/*
 * Options and what they point to must outlive it. NULL, with a reason: csd_compile cannot be run, no cache, no memory. What
 * csd_compile is, it says itself; without a compiler it cannot, and the cache tells what the last one was that filled it. With
 * `blobs` that was another machine's compiler, of the same csd_compile.
 */
struct csd_blob_maker *csd_blob_maker_create(const struct csd_blob_options *options, char reason[CSD_REASON_BYTES]);
void csd_blob_maker_free(struct csd_blob_maker *maker);

/*
 * *blob: one that csd_blob_check() took, which nobody can change, to be put back by csd_memory_put(). Another end has a
 * reason: one line of printable text. Where another thread makes *cancelled true, csd_compile is ended; NULL: never.
 */
enum csd_blob_end csd_blob_get(struct csd_blob_maker *maker, const void *object, size_t length, const bool *cancelled,
			       struct csd_memory **blob, struct csd_blob_header *header, char reason[CSD_REASON_BYTES]);

#endif
