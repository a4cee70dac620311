/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * One shape for what goes wrong: what was asked, what was found, what to do. It is kept until main() prints it, so
 * that nothing is printed from the middle of a measurement.
 */
#ifndef CSD_ERROR_H
#define CSD_ERROR_H

#include <stdio.h>

/* Exit codes: a caller may act on the kind of failure without reading the text. */
enum csd_exit {
	CSD_OK = 0,
	CSD_USAGE = 2,		/* the command line cannot be meant */
	CSD_UNAVAILABLE = 3,	/* no device, no target, no memory: may be there later */
	CSD_REFUSED = 4,	/* would harm something, or this host is not allowed */
	CSD_WRONG_DATA = 5,	/* was read, and is not what it should be */
	CSD_IO_FAILED = 6,	/* began well, and broke */
};

struct csd_error {
	enum csd_exit code;
	char asked[512];
	char found[1024];
	char fix[512];
};

/* Each sets one field and returns the negative exit code, so that a failing function can `return csd_fail(...)`. */
int csd_fail(struct csd_error *err, enum csd_exit code, const char *asked, ...) __attribute__((format(printf, 3, 4)));
int csd_found(struct csd_error *err, const char *found, ...) __attribute__((format(printf, 2, 3)));
int csd_fix(struct csd_error *err, const char *fix, ...) __attribute__((format(printf, 2, 3)));

/* Three lines: "asked: …", "found: …", "do: …". */
void csd_error_print(const struct csd_error *err, FILE *out);

#endif
