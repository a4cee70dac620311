/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* From an instruction to the line of C that it came from, where the object has that: clang -g, sections .BTF and .BTF.ext. */
#ifndef CSD_SOURCE_H
#define CSD_SOURCE_H

#include "csd_object.h"

#define CSD_SOURCE_FILE_BYTES	64
#define CSD_SOURCE_TEXT_BYTES	96

struct csd_source {
	char file[CSD_SOURCE_FILE_BYTES];	/* the end of its path, if that is longer */
	char text[CSD_SOURCE_TEXT_BYTES];	/* the line without the blanks before it; its begin, if that is longer */
	uint32_t line;
	uint32_t column;
};

/*
 * `object` is what csd_object_read() made of the bytes. False: the object says nothing of this instruction, or what it says
 * is wrong. What it found is fit for logs.
 */
bool csd_source_find(const void *bytes, size_t length, const struct csd_object *object, uint32_t instruction,
		     struct csd_source *source);

#endif
