/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * BTF, the types that clang -g describes: as much of it as a map's declaration needs. All of it is the file's: every index
 * and length is checked, and chains of types end.
 */
#ifndef CSD_BTF_H
#define CSD_BTF_H

#include <stddef.h>
#include <stdint.h>

struct csd_btf {
	const uint8_t *types;
	const char *strings;
	uint32_t types_bytes, strings_bytes;
	uint32_t *begins;	/* of each type among `types`; the first is 1 */
	uint32_t count;		/* types are below this number */
};

/* 0: csd_btf_close() it; -EINVAL: not BTF that this knows, or -ENOMEM. The bytes must outlive it. */
int csd_btf_open(struct csd_btf *btf, const uint8_t *bytes, size_t length);
void csd_btf_close(struct csd_btf *btf);

/* Numbers of types; 0: there is none such. */
uint32_t csd_btf_variable(const struct csd_btf *btf, const char *name);	/* its type */
uint32_t csd_btf_pointed(const struct csd_btf *btf, uint32_t type);	/* what a pointer points at */

/* Of a structure: its member's name, and type. NULL beyond the last, or if it is no structure. */
const char *csd_btf_member(const struct csd_btf *btf, uint32_t type, uint32_t index, uint32_t *member_type);

/* Elements of an array; -1: it is none. */
int64_t csd_btf_elements(const struct csd_btf *btf, uint32_t type);

/* Bytes; 0: it has no size. */
uint64_t csd_btf_size(const struct csd_btf *btf, uint32_t type);

#endif
