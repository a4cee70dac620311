/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The unit tests' few words. Each test program lists its tests in main(): RUN(test) ... return check_done(). */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned int g_checks;

#define CHECK(condition) do { \
	g_checks++; \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
		exit(1); \
	} \
} while (0)

#define CHECK_U64(found, wanted) do { \
	unsigned long found_ = (found), wanted_ = (wanted); \
	g_checks++; \
	if (found_ != wanted_) { \
		fprintf(stderr, "%s:%d: %s is %lu, not %lu\n", __FILE__, __LINE__, #found, found_, wanted_); \
		exit(1); \
	} \
} while (0)

#define CHECK_TEXT(found, wanted) do { \
	const char *found_ = (found), *wanted_ = (wanted); \
	g_checks++; \
	if (strcmp(found_, wanted_) != 0) { \
		fprintf(stderr, "%s:%d: %s is\n  '%s', not\n  '%s'\n", __FILE__, __LINE__, #found, found_, wanted_); \
		exit(1); \
	} \
} while (0)

#define RUN(test) do { \
	test(); \
	printf("%s: %s ok\n", __FILE__, #test); \
} while (0)

static inline int
check_done(void)
{
	printf("%u checks\n", g_checks);
	return g_checks == 0;
}

#endif
