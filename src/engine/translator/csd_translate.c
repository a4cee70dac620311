/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* csd_translate PROGRAM.bpf.o -o OUT.c: what the drive makes of a program, for who wants to look at it or compile it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "csd_check.h"
#include "csd_emit.h"

static void __attribute__((noreturn))
translate_fail(const char *path, const char *what)
{
	fprintf(stderr, "csd_translate: %s: %s\n", path, what);
	exit(1);
}

/* One byte more than a program may have, so that the reader sees that it is too long. */
static uint8_t *
translate_read(const char *path, size_t *length)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = malloc(CSD_MAX_PROGRAM_BYTES + 1);

	if (file == NULL || bytes == NULL) {
		translate_fail(path, strerror(errno));
	}
	*length = fread(bytes, 1, CSD_MAX_PROGRAM_BYTES + 1, file);
	if (ferror(file)) {
		translate_fail(path, "cannot be read");
	}
	fclose(file);
	return bytes;
}

static void
translate_write(const char *path, const struct csd_object *object)
{
	FILE *out = fopen(path, "w");
	bool failed;

	if (out == NULL) {
		translate_fail(path, strerror(errno));
	}
	csd_emit_prelude(out);
	failed = csd_emit_program(out, object, 0) != 0 || ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		unlink(path);
		translate_fail(path, "cannot be written, or there is no memory");
	}
}

int
main(int argc, char **argv)
{
	static struct csd_object object;
	char reason[CSD_REASON_BYTES];
	size_t length;
	uint8_t *bytes;
	int rc;

	if (argc != 4 || strcmp(argv[2], "-o") != 0) {
		fputs("usage: csd_translate PROGRAM.bpf.o -o OUT.c\n", stderr);
		return 2;
	}
	bytes = translate_read(argv[1], &length);
	rc = csd_object_read(bytes, length, &object, reason);
	if (rc == 0) {
		rc = csd_check(&object, reason);
	}
	if (rc != 0) {
		translate_fail(argv[1], rc == -EINVAL ? reason : strerror(-rc));
	}
	translate_write(argv[3], &object);
	csd_object_free(&object);
	free(bytes);
	return 0;
}
