/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "csd_blob.h"
#include "csd_check.h"
#include "csd_compile_job.h"
#include "csd_compile_tool.h"
#include "csd_emit.h"
#include "csd_lines.h"

/* compiler.mk makes these: the flags of what is translated, csd_blob.ld, a digest of all that makes a blob. */
static const char *const job_flags[] = {
#include "compile_flags.inc"
};
static const char job_script[] =
#include "csd_blob_ld.inc"
;
static const char job_digest[] =
#include "compile_digest.inc"
;

#define JOB_FLAGS	(sizeof(job_flags) / sizeof(job_flags[0]))

#define SOURCE		"program.c"
#define OBJECT		"program.o"
#define SCRIPT		"program.ld"
#define LINKED		"program.elf"
#define FLAT		"program.flat"
#define LINES		"program.lines"
#define ADDRESSES	"program.addresses"
#define ANSWERS		"program.answers"
#define PRINTED		"printed"	/* what the others print, which is nothing */

static enum compile_end
compile_job_say_errno(char reason[CSD_REASON_BYTES], const char *what)
{
	return compile_say(COMPILE_FAILED, reason, "%s: %s", what, strerror(errno));
}

/* One byte more than a program may have, so that its reader sees that it is too long. */
static enum compile_end
compile_job_read(uint8_t **bytes, size_t *length, char reason[CSD_REASON_BYTES])
{
	ssize_t got = 1;

	*length = 0;
	*bytes = malloc(CSD_MAX_PROGRAM_BYTES + 1);
	if (*bytes == NULL) {
		return compile_job_say_errno(reason, "the program cannot be read");
	}
	while (*length <= CSD_MAX_PROGRAM_BYTES && got != 0) {
		got = read(STDIN_FILENO, *bytes + *length, CSD_MAX_PROGRAM_BYTES + 1 - *length);
		if (got < 0 && errno != EINTR) {
			return compile_job_say_errno(reason, "the program cannot be read");
		}
		*length += got > 0 ? got : 0;
	}
	return COMPILE_DONE;
}

static enum compile_end
compile_job_write_file(const char *path, const char *text, char reason[CSD_REASON_BYTES])
{
	FILE *out = fopen(path, "w");

	if (out == NULL || fputs(text, out) < 0 || fclose(out) != 0) {
		return compile_job_say_errno(reason, "no room to compile in");
	}
	return COMPILE_DONE;
}

static enum compile_end
compile_job_emit(const struct csd_object *object, char reason[CSD_REASON_BYTES])
{
	FILE *out = fopen(SOURCE, "w");
	bool failed;
	int rc;

	if (out == NULL) {
		return compile_job_say_errno(reason, "no room to compile in");
	}
	csd_emit_prelude(out);
	rc = csd_emit_program(out, object, 0);
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		return compile_job_say_errno(reason, "no room to compile in");
	}
	return rc == 0 ? COMPILE_DONE : compile_say(COMPILE_FAILED, reason, "translating: %s", strerror(-rc));
}

static enum compile_end
compile_job_translate(char reason[CSD_REASON_BYTES])
{
	static struct csd_object object;
	uint8_t *bytes = NULL;
	size_t length;
	enum compile_end end = compile_job_read(&bytes, &length, reason);
	int rc;

	if (end == COMPILE_DONE) {
		rc = csd_object_read(bytes, length, &object, reason);
		if (rc == 0) {
			rc = csd_check(&object, reason);
			end = rc == 0 ? compile_job_emit(&object, reason) : COMPILE_DONE;
			csd_object_free(&object);
		}
		if (rc != 0) {
			end = rc == -EINVAL ? COMPILE_REFUSED : compile_say(COMPILE_FAILED, reason, "translating: %s", strerror(-rc));
		}
	}
	free(bytes);
	return end;
}

/* gcc takes the last of several -O. */
static enum compile_end
compile_job_gcc(const struct compile_options *options, uint32_t cpu_seconds, const char *level,
		char reason[CSD_REASON_BYTES])
{
	const char *argv[JOB_FLAGS + 8] = {"gcc"};
	size_t count = 1;

	for (size_t i = 0; i < JOB_FLAGS; i++) {
		argv[count++] = job_flags[i];
	}
	/* -pipe: the text for the assembler, several times the code, lies in no file. */
	argv[count++] = level;
	argv[count++] = "-pipe";
	argv[count++] = "-c";
	argv[count++] = SOURCE;
	argv[count++] = "-o";
	argv[count++] = OBJECT;
	argv[count] = NULL;
	return compile_run(options, cpu_seconds, argv, PRINTED, reason);
}

/* What costs too much at -O3 seldom does at -O1: of a function of jumps, the time of several passes grows by squares. */
static enum compile_end
compile_job_compile(const struct compile_options *options, char reason[CSD_REASON_BYTES])
{
	enum compile_end end = compile_job_gcc(options, options->limits.cpu_seconds, "-O3", reason);
	char first[CSD_REASON_BYTES];

	if (end != COMPILE_OVER) {
		return end;
	}
	memcpy(first, reason, sizeof(first));
	end = compile_job_gcc(options, options->limits.fallback_cpu_seconds, "-O1", reason);
	if (end == COMPILE_DONE) {
		compile_say(end, reason, "compiled at -O1: at -O3, %.200s", first);
	} else if (end == COMPILE_OVER) {
		char second[CSD_REASON_BYTES];

		memcpy(second, reason, sizeof(second));
		compile_say(end, reason, "too costly to compile: at -O3, %.90s; at -O1, %.90s", first, second);
	}
	return end;
}

static enum compile_end
compile_job_link(const struct compile_options *options, char reason[CSD_REASON_BYTES])
{
	char code[64], data[64], page[64];
	const char *const ld[] = {
		"ld", "-static", "-nostdlib", "--orphan-handling=error", "--build-id=none", "-z", "noexecstack", "-z", page, code, data,
		"-T", SCRIPT, OBJECT, "-o", LINKED, NULL,
	};
	const char *const objcopy[] = {"objcopy", "-O", "binary", LINKED, FLAT, NULL};
	const char *const objdump[] = {"objdump", "--dwarf=decodedline", LINKED, NULL};
	uint32_t seconds = options->limits.fallback_cpu_seconds;
	enum compile_end end = compile_job_write_file(SCRIPT, job_script, reason);

	snprintf(page, sizeof(page), "max-page-size=%u", CSD_BLOB_PAGE);
	snprintf(code, sizeof(code), "--defsym=blob_code=%#llx", CSD_BLOB_CODE);
	snprintf(data, sizeof(data), "--defsym=blob_data=%#llx", CSD_BLOB_DATA);
	if (end == COMPILE_DONE) {
		end = compile_run(options, seconds, ld, PRINTED, reason);
	}
	if (end == COMPILE_DONE) {
		end = compile_run(options, seconds, objcopy, PRINTED, reason);
	}
	return end != COMPILE_DONE ? end : compile_run(options, seconds, objdump, LINES, reason);
}

static enum compile_end
compile_job_say_lines(int rc, char reason[CSD_REASON_BYTES])
{
	return rc == 0 ? COMPILE_DONE :
	       rc == -EFBIG ? compile_say(COMPILE_REFUSED, reason, "compiled, the program has more than %u lines: changes from one "
					  "instruction's code to another's", CSD_BLOB_MAX_LINES) :
	       rc == -EINVAL ? compile_say(COMPILE_FAILED, reason, "objdump shows no lines of the compiled program") :
	       compile_say(COMPILE_FAILED, reason, "the table of lines: %s", strerror(-rc));
}

static enum compile_end
compile_job_ask_lines(const struct compile_options *options, struct csd_lines *lines, char reason[CSD_REASON_BYTES])
{
	static const char *const addr2line[] = {"addr2line", "-a", "-i", "-e", LINKED, "@" ADDRESSES, NULL};
	FILE *file = fopen(ADDRESSES, "w");
	enum compile_end end;

	if (file == NULL) {
		return compile_job_say_errno(reason, "no room to compile in");
	}
	csd_lines_ask(lines, file);
	if (fclose(file) != 0) {
		return compile_job_say_errno(reason, "no room to compile in");
	}
	end = compile_run(options, options->limits.fallback_cpu_seconds, addr2line, ANSWERS, reason);
	if (end != COMPILE_DONE) {
		return end;
	}
	file = fopen(ANSWERS, "r");
	if (file == NULL) {
		return compile_job_say_errno(reason, "the table of lines");
	}
	csd_lines_answer(lines, file);
	fclose(file);
	return COMPILE_DONE;
}

static enum compile_end
compile_job_read_lines(const struct compile_options *options, struct csd_lines *lines, char reason[CSD_REASON_BYTES])
{
	enum compile_end end;
	FILE *in = fopen(LINES, "r");

	if (in == NULL) {
		return compile_job_say_errno(reason, "the table of lines");
	}
	end = compile_job_say_lines(csd_lines_read(in, lines), reason);
	fclose(in);
	if (end == COMPILE_DONE && lines->unknown > 0) {
		end = compile_job_ask_lines(options, lines, reason);
	}
	return end != COMPILE_DONE ? end : compile_job_say_lines(csd_lines_finish(lines), reason);
}

static enum compile_end
compile_job_write(const void *bytes, size_t length, char reason[CSD_REASON_BYTES])
{
	size_t written = 0;

	while (written < length) {
		ssize_t done = write(STDOUT_FILENO, (const char *)bytes + written, length - written);

		if (done < 0 && errno != EINTR) {
			return compile_job_say_errno(reason, "the compiled program cannot be written");
		}
		written += done > 0 ? done : 0;
	}
	return COMPILE_DONE;
}

static enum compile_end
compile_job_say_large(const struct compile_options *options, uint64_t bytes, char reason[CSD_REASON_BYTES])
{
	return compile_say(COMPILE_REFUSED, reason, "compiled, the program has %llu bytes; %u MiB are possible",
			   (unsigned long long)bytes, options->limits.blob_megabytes);
}

/* The flat program, filled up to a multiple of eight bytes, and the table of lines. */
static enum compile_end
compile_job_assemble(const struct compile_options *options, char *flat, size_t length, const struct csd_lines *lines,
		     char reason[CSD_REASON_BYTES])
{
	size_t lines_at = (length + 7) / 8 * 8, whole = lines_at + lines->count * sizeof(lines->lines[0]);
	struct csd_blob_header header;
	enum compile_end end;
	char *blob;

	if (whole > (size_t)options->limits.blob_megabytes << 20) {
		return compile_job_say_large(options, whole, reason);
	}
	if (length < sizeof(header)) {
		return compile_say(COMPILE_FAILED, reason, "ld made %zu bytes of the program", length);
	}
	blob = calloc(whole, 1);
	if (blob == NULL) {
		return compile_job_say_errno(reason, "the compiled program");
	}
	memcpy(blob, flat, length);
	memcpy(blob + lines_at, lines->lines, lines->count * sizeof(lines->lines[0]));
	memcpy(&header, blob, sizeof(header));
	header.lines_at = lines_at;
	header.line_count = lines->count;
	memcpy(blob, &header, sizeof(header));
	if (header.code_bytes > CSD_BLOB_MAX_CODE || header.data_bytes > CSD_BLOB_MAX_DATA) {
		end = compile_say(COMPILE_REFUSED, reason, "compiled, the program has %llu bytes of code and %llu of data; %llu and "
				  "%llu are possible", (unsigned long long)header.code_bytes, (unsigned long long)header.data_bytes,
				  CSD_BLOB_MAX_CODE, CSD_BLOB_MAX_DATA);
	} else if (csd_blob_check(blob, whole, &header) != 0) {
		end = compile_say(COMPILE_FAILED, reason, "gcc and ld made no valid blob of the program");
	} else {
		end = compile_job_write(blob, whole, reason);
	}
	free(blob);
	return end;
}

static enum compile_end
compile_job_finish(const struct compile_options *options, char reason[CSD_REASON_BYTES])
{
	size_t most = (size_t)options->limits.blob_megabytes << 20, length;
	struct csd_lines lines = {.lines = NULL};
	char *flat = compile_read_file(FLAT, most, &length);
	enum compile_end end;

	if (flat == NULL) {
		return errno == EFBIG ? compile_say(COMPILE_REFUSED, reason, "compiled, the program has more than the %u MiB that are "
						    "possible", options->limits.blob_megabytes) :
		       compile_job_say_errno(reason, "the compiled program cannot be read");
	}
	end = compile_job_read_lines(options, &lines, reason);
	if (end == COMPILE_DONE) {
		end = compile_job_assemble(options, flat, length, &lines, reason);
	}
	free(lines.lines);
	free(flat);
	return end;
}

enum compile_end
compile_job(const struct compile_options *options, char reason[CSD_REASON_BYTES])
{
	char remark[CSD_REASON_BYTES];
	enum compile_end end;

	reason[0] = '\0';
	end = compile_find_tools(options, reason);
	if (end == COMPILE_DONE) {
		end = compile_job_translate(reason);
	}
	if (end == COMPILE_DONE) {
		reason[0] = '\0';
		end = compile_job_compile(options, reason);
	}
	if (end != COMPILE_DONE) {
		return end;
	}
	memcpy(remark, reason, sizeof(remark));
	end = compile_job_link(options, reason);
	if (end == COMPILE_DONE) {
		end = compile_job_finish(options, reason);
	}
	if (end == COMPILE_DONE) {
		memcpy(reason, remark, sizeof(remark));
	}
	return end;
}

/* The first line of `tool --version`. */
static enum compile_end
compile_job_print_version(const struct compile_options *options, const char *tool, char reason[CSD_REASON_BYTES])
{
	const char *const argv[] = {tool, "--version", NULL};
	enum compile_end end = compile_run(options, options->limits.fallback_cpu_seconds, argv, PRINTED, reason);
	size_t length;
	char *text;

	if (end != COMPILE_DONE) {
		return end;
	}
	text = compile_read_file(PRINTED, 1 << 16, &length);
	if (text == NULL) {
		return compile_job_say_errno(reason, tool);
	}
	printf("%.*s\n", (int)strcspn(text, "\n"), text);
	free(text);
	return COMPILE_DONE;
}

enum compile_end
compile_identity(const struct compile_options *options, char reason[CSD_REASON_BYTES])
{
	enum compile_end end = compile_find_tools(options, reason);

	printf("csd_compile %s\n", job_digest);
	for (size_t i = 0; i < 2 && end == COMPILE_DONE; i++) {
		end = compile_job_print_version(options, i == 0 ? "gcc" : "as", reason);
	}
	fputs("flags", stdout);
	for (size_t i = 0; i < JOB_FLAGS; i++) {
		printf(" %s", job_flags[i]);
	}
	putchar('\n');
	return fflush(stdout) == 0 || end != COMPILE_DONE ? end : compile_job_say_errno(reason, "cannot be written");
}
