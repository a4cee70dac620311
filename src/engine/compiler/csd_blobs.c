/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * For `csd_tgt --program-blobs`: programs are compiled into a folder, each under the name by which a target looks for it.
 *
 *	csd_blobs CSD_COMPILE FOLDER PROGRAM.bpf.o...
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csd_blob_get.h"

#define SECONDS		1200
#define CACHE_BYTES	(1ULL << 30)
#define MOST_OBJECT	(1 << 20)

/* The builder's time is its own: a busy or emulated machine makes the same of them. */
static const char *const blobs_limits[] = {
	"--cpu-seconds", "300", "--fallback-cpu-seconds", "300", "--seconds", "900", NULL,
};

static int
blobs_say(const char *path, const char *why)
{
	fprintf(stderr, "csd_blobs: %s: %s\n", path, why);
	return 1;
}

static int
blobs_add(struct csd_blob_maker *maker, const char *path)
{
	static unsigned char object[MOST_OBJECT + 1];
	char reason[CSD_REASON_BYTES] = "";
	FILE *file = fopen(path, "rb");
	struct csd_blob_header header;
	struct csd_memory *blob;
	size_t length;

	if (file == NULL) {
		return blobs_say(path, strerror(errno));
	}
	length = fread(object, 1, sizeof(object), file);
	fclose(file);
	if (csd_blob_get(maker, object, length, NULL, &blob, &header, reason) != CSD_BLOB_READY) {
		return blobs_say(path, reason);
	}
	csd_memory_put(blob);
	return 0;
}

int
main(int argc, char **argv)
{
	struct csd_blob_options options = {.arguments = blobs_limits, .cache_bytes = CACHE_BYTES, .seconds = SECONDS};
	char reason[CSD_REASON_BYTES] = "";
	struct csd_blob_maker *maker;
	int rc = 0;

	if (argc < 4) {
		fprintf(stderr, "usage: csd_blobs CSD_COMPILE FOLDER PROGRAM.bpf.o...\n");
		return 2;
	}
	options.compile = argv[1];
	options.cache = argv[2];
	maker = csd_blob_maker_create(&options, reason);
	if (maker == NULL) {
		return blobs_say(argv[2], reason);
	}
	for (int i = 3; i < argc && rc == 0; i++) {
		rc = blobs_add(maker, argv[i]);
	}
	csd_blob_maker_free(maker);
	return rc;
}
