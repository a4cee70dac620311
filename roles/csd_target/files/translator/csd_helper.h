/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What the drive does for a program. Those that there are need nothing but the program's own memory. */
#ifndef CSD_HELPER_H
#define CSD_HELPER_H

#include <stdint.h>

/*
 * clang calls these by the names that they have in C, where it does not write out what they do. Their numbers lie above
 * those of Linux, of which none is taken for another's. Each takes r1 to r3.
 */
struct csd_helper {
	int32_t number;
	const char *name;
};

/* NULL: there is none. */
const struct csd_helper *csd_helper_numbered(int32_t number);
const struct csd_helper *csd_helper_named(const char *name);

#endif
