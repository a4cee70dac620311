/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The work of csd_compile with C that the translator never writes: what needs anything at load, or a place that a blob
 * does not have, becomes none.
 *
 *	test_job FOLDER OBJECT	FOLDER: this test's own; OBJECT: a program, with stub_entry.c's C behind it
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "csd_blob.h"
#include "csd_compile_job.h"
#include "csd_compile_tool.h"
#include "stub_entry.h"
#include "test.h"

static const struct compile_options options = {
	.limits = {
		.cpu_seconds = 10, .fallback_cpu_seconds = 10, .memory_megabytes = 1024, .output_megabytes = 64, .blob_megabytes = 64,
	},
	.path = "/usr/bin:/bin",
};

static const struct {
	const char *what, *more;
	enum compile_end end;
	const char *says;	/* somewhere */
} jobs[] = {
	{"nothing more", NULL, COMPILE_DONE, ""},
	{"data, zeros and the address of a variable",
	 "static u64 csd_a[3] = {1}, csd_b[3]; CSD_AREA u64 *csd_c[] = {csd_a, csd_b};", COMPILE_DONE, ""},
	{"no C", "this is none", COMPILE_FAILED, "error: unknown type name"},
	{"an undefined function", "u64 csd_nobody(void); CSD_EXPORT u64 csd_more(void) { return csd_nobody(); }", COMPILE_FAILED,
	 "undefined reference to `csd_nobody'"},
	/* It is none: 0. */
	{"an address that may be none",
	 "extern u64 csd_no __attribute__((weak)); CSD_EXPORT u64 *csd_more(void) { return &csd_no; }", COMPILE_DONE, ""},
	{"an address that is chosen at load", "static u64 csd_one(void) { return 1; } static void *csd_which(void) { return csd_one; } "
	 "u64 csd_more(void) __attribute__((ifunc(\"csd_which\"))); "
	 "CSD_EXPORT u64 csd_calls(void) { return csd_more(); }", COMPILE_FAILED, "ld failed: ld: addresses to be filled in at load"},
	{"what runs before the entry",
	 "CSD_AREA u64 csd_a[1]; static void __attribute__((constructor)) csd_more(void) { csd_a[0]++; }", COMPILE_FAILED,
	 "unplaced orphan section `.init_array'"},
	{"a variable of each thread", "__thread u64 csd_more = 5;", COMPILE_FAILED, "unplaced orphan section `.tdata'"},
	{"another section", "u64 csd_more __attribute__((section(\"elsewhere\"))) = 5;", COMPILE_FAILED,
	 "unplaced orphan section `elsewhere'"},
	{"a common variable", "__asm__(\".comm csd_more,8\");", COMPILE_DONE, ""},
	{"more data than a blob may have", "CSD_AREA u64 csd_more[4 << 20];", COMPILE_REFUSED, "compiled, the program has "},
	{"more code than a blob may have", "CSD_AREA const u64 csd_more[8 << 20] = {1};", COMPILE_OVER,
	 "writes a file of more than its 64 MiB"},
};

static void
inside(const char *object, size_t job)
{
	char reason[CSD_REASON_BYTES] = "";
	struct csd_blob_header header;
	enum compile_end end;
	size_t length;
	char *blob;
	int input = open(object, O_RDONLY), output = open("result", O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(input >= 0 && output >= 0 && dup2(input, 0) == 0 && dup2(output, 1) == 1, "%s: %s", object, strerror(errno));
	stub_more = jobs[job].more;
	end = compile_job(&options, reason);
	blob = compile_read_file("result", 1 << 26, &length);
	CHECK(end == jobs[job].end && strstr(reason, jobs[job].says) != NULL, "%s: ended %d: %s", jobs[job].what, end, reason);
	CHECK(blob != NULL && (end == COMPILE_DONE ? csd_blob_check(blob, length, &header) == 0 : length == 0), "%s: %zu bytes come out",
	      jobs[job].what, length);
	free(blob);
}

int
main(int argc, char **argv)
{
	char object[512];

	CHECK(argc == 3 && argv[2][0] == '/' && chdir(argv[1]) == 0, "usage: test_job FOLDER /OBJECT");
	snprintf(object, sizeof(object), "%s", argv[2]);
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			alarm(60);
			inside(object, i);
			exit(0);
		}
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "%s: status %#x", jobs[i].what, status);
	}
	printf("test_job: %zu programs and what does not belong in one, passed\n", sizeof(jobs) / sizeof(jobs[0]));
	return 0;
}
