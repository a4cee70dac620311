/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What the drive does for a program. csd_bpf.h tells authors what each gives. */
#ifndef CSD_HELPER_H
#define CSD_HELPER_H

#include <stdbool.h>
#include <stdint.h>

#define CSD_HELPER_EACH		164
#define CSD_HELPER_LOOP		181
#define CSD_HELPER_EMIT		0x10004

/*
 * Numbers of Linux mean what they mean there; the drive's own lie above those. Some are called by the names that they have
 * in C, where clang does not write out what they do.
 */
struct csd_helper {
	int32_t number;
	const char *name;
	const char *function;	/* of the prelude; or what stands behind csd_ID_ */
	uint32_t arguments;
	bool own;		/* each program has its own: it works with what the program has, maps and functions */
};

/* NULL: there is none. */
const struct csd_helper *csd_helper_numbered(int32_t number);
const struct csd_helper *csd_helper_named(const char *name);

#endif
