/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Records of a fixed size, and the numbers in them. */
#ifndef RECORDS_H
#define RECORDS_H

#include "csd_programs.h"
#include "words.h"

/* Whether a number of this type is within its record. */
static inline int records_have(__u64 stride, __u64 offset, __u32 type)
{
	return type < CSD_INTEGERS && stride <= CSD_MOST_STRIDE && offset + (1 << (type & 3)) <= stride;
}

/* As 64 bits. */
static inline __u64 records_number(const __u8 *at, __u32 type)
{
	switch (type) {
	case CSD_U8: return *at;
	case CSD_U16: return WORDS_LOAD_16(at);
	case CSD_U32: return WORDS_LOAD_32(at);
	case CSD_S8: return (__s64)(__s8)*at;
	case CSD_S16: return (__s64)(__s16)WORDS_LOAD_16(at);
	case CSD_S32: return (__s64)(__s32)WORDS_LOAD_32(at);
	default: return CSD_LOAD_64(at);
	}
}

/* What of a part is done with, when these records are: the rest of the last part, too. */
static inline __u64 records_consumed(const struct csd_context *context, __u64 record_bytes, __u64 *rest_bytes)
{
	__u64 bytes = context->end - context->begin;

	if (!(context->flags & CSD_LAST))
		return record_bytes;
	*rest_bytes += bytes - record_bytes;
	return bytes;
}

#endif
