/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <linux/btf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "csd_btf.h"

#define MOST_TYPES	65536
#define MOST_STEPS	32	/* from a type to the one that it stands for */

/* Newer than Debian 12's header. */
#define KIND_ENUM64	19

static struct btf_type
btf_at(const struct csd_btf *btf, uint32_t type)
{
	struct btf_type found = {0};

	if (type > 0 && type < btf->count) {
		memcpy(&found, btf->types + btf->begins[type], sizeof(found));
	}
	return found;
}

/* What follows a type's head; UINT64_MAX: not known, so neither is where the next type begins. */
static uint64_t
btf_tail_bytes(const struct btf_type *type)
{
	uint64_t count = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_PTR: case BTF_KIND_FWD: case BTF_KIND_TYPEDEF: case BTF_KIND_VOLATILE: case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT: case BTF_KIND_FUNC: case BTF_KIND_FLOAT: case BTF_KIND_TYPE_TAG:
		return 0;
	case BTF_KIND_INT: case BTF_KIND_VAR: case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT: case BTF_KIND_UNION: case BTF_KIND_DATASEC: case KIND_ENUM64:
		return count * 12;
	case BTF_KIND_ENUM: case BTF_KIND_FUNC_PROTO:
		return count * 8;
	default:
		return UINT64_MAX;
	}
}

static int
btf_index(struct csd_btf *btf)
{
	btf->begins = malloc(MOST_TYPES * sizeof(btf->begins[0]));
	if (btf->begins == NULL) {
		return -ENOMEM;
	}
	btf->begins[0] = 0;
	btf->count = 1;
	for (uint64_t at = 0; at < btf->types_bytes;) {
		struct btf_type type;
		uint64_t left = btf->types_bytes - at, tail;

		if (left < sizeof(type) || btf->count == MOST_TYPES) {
			return -EINVAL;
		}
		memcpy(&type, btf->types + at, sizeof(type));
		tail = btf_tail_bytes(&type);
		if (tail > left - sizeof(type)) {
			return -EINVAL;
		}
		btf->begins[btf->count++] = at;
		at += sizeof(type) + tail;
	}
	return 0;
}

int
csd_btf_open(struct csd_btf *btf, const uint8_t *bytes, size_t length)
{
	struct btf_header header;
	uint64_t body;
	int rc;

	*btf = (struct csd_btf) {.count = 0};
	if (length < sizeof(header)) {
		return -EINVAL;
	}
	memcpy(&header, bytes, sizeof(header));
	if (header.magic != BTF_MAGIC || header.version != BTF_VERSION || header.hdr_len < sizeof(header) || header.hdr_len > length) {
		return -EINVAL;
	}
	body = length - header.hdr_len;
	if (header.type_off > body || header.type_len > body - header.type_off || header.str_off > body ||
	    header.str_len > body - header.str_off || header.str_len == 0 ||
	    bytes[header.hdr_len + (uint64_t)header.str_off + header.str_len - 1] != '\0') {
		return -EINVAL;
	}
	btf->types = bytes + header.hdr_len + header.type_off;
	btf->types_bytes = header.type_len;
	btf->strings = (const char *)bytes + header.hdr_len + header.str_off;
	btf->strings_bytes = header.str_len;
	rc = btf_index(btf);
	if (rc != 0) {
		csd_btf_close(btf);
	}
	return rc;
}

void
csd_btf_close(struct csd_btf *btf)
{
	free(btf->begins);
	btf->begins = NULL;
	btf->count = 0;
}

/* The last byte of all strings is zero. */
static const char *
btf_string(const struct csd_btf *btf, uint32_t offset)
{
	return offset < btf->strings_bytes ? btf->strings + offset : "";
}

/* Behind names and qualifiers. 0: there is none, or no end. */
static uint32_t
btf_resolve(const struct csd_btf *btf, uint32_t type)
{
	for (uint32_t step = 0; step < MOST_STEPS; step++) {
		struct btf_type found = btf_at(btf, type);

		switch (BTF_INFO_KIND(found.info)) {
		case BTF_KIND_TYPEDEF: case BTF_KIND_VOLATILE: case BTF_KIND_CONST: case BTF_KIND_RESTRICT: case BTF_KIND_TYPE_TAG:
			type = found.type;
			break;
		default:
			return found.info == 0 ? 0 : type;
		}
	}
	return 0;
}

uint32_t
csd_btf_variable(const struct csd_btf *btf, const char *name)
{
	for (uint32_t i = 1; i < btf->count; i++) {
		struct btf_type type = btf_at(btf, i);

		if (BTF_INFO_KIND(type.info) == BTF_KIND_VAR && strcmp(btf_string(btf, type.name_off), name) == 0) {
			return btf_resolve(btf, type.type);
		}
	}
	return 0;
}

uint32_t
csd_btf_pointed(const struct csd_btf *btf, uint32_t type)
{
	struct btf_type found = btf_at(btf, btf_resolve(btf, type));

	return BTF_INFO_KIND(found.info) == BTF_KIND_PTR ? btf_resolve(btf, found.type) : 0;
}

const char *
csd_btf_member(const struct csd_btf *btf, uint32_t type, uint32_t index, uint32_t *member_type)
{
	struct btf_type found = btf_at(btf, type);
	struct btf_member member;

	if (BTF_INFO_KIND(found.info) != BTF_KIND_STRUCT || index >= BTF_INFO_VLEN(found.info)) {
		return NULL;
	}
	memcpy(&member, btf->types + btf->begins[type] + sizeof(found) + (uint64_t)index * sizeof(member), sizeof(member));
	*member_type = member.type;
	return btf_string(btf, member.name_off);
}

static bool
btf_array(const struct csd_btf *btf, uint32_t type, struct btf_array *array)
{
	struct btf_type found = btf_at(btf, type);

	if (BTF_INFO_KIND(found.info) != BTF_KIND_ARRAY) {
		return false;
	}
	memcpy(array, btf->types + btf->begins[type] + sizeof(found), sizeof(*array));
	return true;
}

int64_t
csd_btf_elements(const struct csd_btf *btf, uint32_t type)
{
	struct btf_array array;

	return btf_array(btf, btf_resolve(btf, type), &array) ? (int64_t)array.nelems : -1;
}

uint64_t
csd_btf_size(const struct csd_btf *btf, uint32_t type)
{
	uint64_t elements = 1;

	for (uint32_t step = 0; step < MOST_STEPS; step++) {
		uint32_t resolved = btf_resolve(btf, type);
		struct btf_type found = btf_at(btf, resolved);
		struct btf_array array;

		switch (BTF_INFO_KIND(found.info)) {
		case BTF_KIND_INT: case BTF_KIND_STRUCT: case BTF_KIND_UNION: case BTF_KIND_ENUM: case BTF_KIND_FLOAT: case KIND_ENUM64:
			return elements * found.size;
		case BTF_KIND_PTR:
			return elements * 8;
		case BTF_KIND_ARRAY:
			btf_array(btf, resolved, &array);
			/* Both factors have 32 bits. */
			elements *= array.nelems;
			if (elements > UINT32_MAX) {
				return 0;
			}
			type = array.type;
			break;
		default:
			return 0;
		}
	}
	return 0;
}
