/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What the tests here share. The first thing that is not so ends a test, which says what it is; g_checks counts them. */
#ifndef EXPECT_H
#define EXPECT_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned g_checks;

static void
expect(const char *what, bool true_that)
{
	g_checks++;
	if (!true_that) {
		fprintf(stderr, "%s\n", what);
		exit(1);
	}
}

#endif
