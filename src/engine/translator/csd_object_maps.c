/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <string.h>

#include "csd_btf.h"
#include "csd_object_maps.h"

#define NO_PREALLOC	1	/* a flag of Linux that changes nothing here */

struct maps_reader {
	const struct csd_elf_file *elf;
	struct csd_btf btf;
	struct csd_object *object;
	uint64_t bytes;		/* of variables, and all maps so far: a blob has room for so many */
};

/* A number is declared as a pointer to an array of as many elements. */
static int
object_maps_number(const struct maps_reader *reader, const char *map, const char *member, uint32_t type,
		   uint32_t *number)
{
	int64_t elements = csd_btf_elements(&reader->btf, csd_btf_pointed(&reader->btf, type));

	if (elements < 0 || elements > UINT32_MAX) {
		return csd_refuse(reader->elf->reason, "map %s: %s is no number of __uint()", map, member);
	}
	*number = elements;
	return 0;
}

/* A type is declared as a pointer to it. */
static int
object_maps_type(const struct maps_reader *reader, const char *map, const char *member, uint32_t type, uint32_t *bytes)
{
	uint64_t size = csd_btf_size(&reader->btf, csd_btf_pointed(&reader->btf, type));

	if (size == 0 || size > UINT32_MAX) {
		return csd_refuse(reader->elf->reason, "map %s: %s is no type with a size", map, member);
	}
	*bytes = size;
	return 0;
}

static int
object_maps_member(const struct maps_reader *reader, const char *map, const char *member, uint32_t type,
		   struct csd_map *read)
{
	uint32_t flags = 0;
	int rc;

	if (strcmp(member, "type") == 0) {
		return object_maps_number(reader, map, member, type, &read->type);
	}
	if (strcmp(member, "max_entries") == 0) {
		return object_maps_number(reader, map, member, type, &read->entries);
	}
	if (strcmp(member, "key_size") == 0) {
		return object_maps_number(reader, map, member, type, &read->key_bytes);
	}
	if (strcmp(member, "value_size") == 0) {
		return object_maps_number(reader, map, member, type, &read->value_bytes);
	}
	if (strcmp(member, "key") == 0) {
		return object_maps_type(reader, map, member, type, &read->key_bytes);
	}
	if (strcmp(member, "value") == 0) {
		return object_maps_type(reader, map, member, type, &read->value_bytes);
	}
	if (strcmp(member, "map_flags") == 0) {
		rc = object_maps_number(reader, map, member, type, &flags);
		read->kept = (flags & CSD_MAP_KEPT) != 0;
		return rc != 0 || (flags & ~(NO_PREALLOC | CSD_MAP_KEPT)) == 0 ? rc :
		       csd_refuse(reader->elf->reason, "map %s: flags %#x: this drive knows BPF_F_NO_PREALLOC (1) and CSD_MAP_KEPT (%#x)",
				  map, flags, CSD_MAP_KEPT);
	}
	return csd_refuse(reader->elf->reason, "map %s: this drive knows type, max_entries, key, value, key_size, value_size and "
			  "map_flags, nothing else", map);
}

static int
object_maps_check(const struct maps_reader *reader, const char *map, const struct csd_map *read)
{
	char *reason = reader->elf->reason;

	if (read->type != CSD_MAP_HASH && read->type != CSD_MAP_ARRAY) {
		return csd_refuse(reason, "map %s: type %u: this drive knows hashes (%u) and arrays (%u)", map, read->type, CSD_MAP_HASH,
				  CSD_MAP_ARRAY);
	}
	if (read->entries < 1 || read->entries > CSD_MAP_ENTRIES) {
		return csd_refuse(reason, "map %s: %u entries; 1 to %u are possible", map, read->entries, CSD_MAP_ENTRIES);
	}
	if (read->type == CSD_MAP_ARRAY && read->key_bytes != sizeof(uint32_t)) {
		return csd_refuse(reason, "map %s: keys of %u bytes; those of an array have 4", map, read->key_bytes);
	}
	if (read->key_bytes < 1 || read->key_bytes > CSD_MAP_KEY_BYTES) {
		return csd_refuse(reason, "map %s: keys of %u bytes; 1 to %u are possible", map, read->key_bytes, CSD_MAP_KEY_BYTES);
	}
	if (read->value_bytes < 1 || read->value_bytes > CSD_MAP_VALUE_BYTES) {
		return csd_refuse(reason, "map %s: values of %u bytes; 1 to %u are possible", map, read->value_bytes,
				  CSD_MAP_VALUE_BYTES);
	}
	return 0;
}

static uint64_t
object_maps_round(uint64_t bytes)
{
	return (bytes + 7) & ~7ULL;
}

/* As csd_prelude_maps.h uses it. The limits keep all of this far from 64 bits. */
static void
object_maps_measure(struct csd_map *map)
{
	if (map->type == CSD_MAP_ARRAY) {
		map->bytes = map->entries * object_maps_round(map->value_bytes);
		return;
	}
	map->buckets = 2;
	while (map->buckets < map->entries) {
		map->buckets *= 2;
	}
	map->bytes = 8 + map->buckets * 4ULL +
		     map->entries * (8 + object_maps_round(map->key_bytes) + object_maps_round(map->value_bytes));
}

/* Its place among those that outlive a run. */
static int
object_maps_keep(struct maps_reader *reader, const char *name, struct csd_map *map)
{
	struct csd_object *object = reader->object;

	if (map->bytes > CSD_MAX_KEPT_BYTES - object->kept_bytes) {
		return csd_refuse(reader->elf->reason, "map %s takes %llu bytes, and %llu are kept before it: a program may keep %u", name,
				  (unsigned long long)map->bytes, (unsigned long long)object->kept_bytes, CSD_MAX_KEPT_BYTES);
	}
	map->kept_at = object->kept_bytes;
	object->kept_bytes += map->bytes;
	return 0;
}

static int
object_maps_read(struct maps_reader *reader, const Elf64_Sym *symbol, const char *name)
{
	struct csd_object *object = reader->object;
	struct csd_map map = {.declared = symbol->st_value};
	uint32_t type = csd_btf_variable(&reader->btf, name), member_type;
	const char *member;
	int rc = 0;

	if (csd_btf_member(&reader->btf, type, 0, &member_type) == NULL) {
		return csd_refuse(reader->elf->reason, "map %s: BTF has no structure for it", name);
	}
	for (uint32_t i = 0; rc == 0; i++) {
		member = csd_btf_member(&reader->btf, type, i, &member_type);
		if (member == NULL) {
			break;
		}
		rc = object_maps_member(reader, name, member, member_type, &map);
	}
	if (rc == 0) {
		rc = object_maps_check(reader, name, &map);
	}
	if (rc != 0) {
		return rc;
	}
	object_maps_measure(&map);
	if (map.bytes > CSD_AREA_BYTES - reader->bytes) {
		return csd_refuse(reader->elf->reason, "map %s takes %llu bytes; all maps and variables may take %u", name,
				  (unsigned long long)map.bytes, CSD_AREA_BYTES);
	}
	if (object->map_count == CSD_TRANSLATOR_MAPS) {
		return csd_refuse(reader->elf->reason, "ELF: more than %u maps, %s is one too many", CSD_TRANSLATOR_MAPS, name);
	}
	if (map.kept && object_maps_keep(reader, name, &map) != 0) {
		return -EINVAL;
	}
	reader->bytes += map.bytes;
	object->maps[object->map_count++] = map;
	return 0;
}

static int
object_maps_open(struct maps_reader *reader)
{
	const struct csd_elf_file *elf = reader->elf;

	for (uint32_t i = 1; i < elf->header.e_shnum; i++) {
		const Elf64_Shdr *header = &elf->sections[i];
		int rc;

		if (strcmp(csd_elf_section_name(elf, i).text, ".BTF") != 0 || header->sh_type != SHT_PROGBITS) {
			continue;
		}
		rc = csd_btf_open(&reader->btf, elf->bytes + header->sh_offset, header->sh_size);
		return rc != -EINVAL ? rc : csd_refuse(elf->reason, "ELF: section .BTF is not as clang makes it");
	}
	return csd_refuse(elf->reason, "ELF: section .maps without .BTF, which says what maps are declared: compile with -g");
}

int
csd_object_read_maps(const struct csd_elf_file *elf, const Elf64_Shdr *symbols, uint32_t section, struct csd_object *object)
{
	struct maps_reader reader = {.elf = elf, .object = object, .bytes = object->areas[CSD_AREA_GLOBALS].length};
	int rc = object_maps_open(&reader);

	for (uint64_t i = 1; rc == 0 && i < symbols->sh_size / sizeof(Elf64_Sym); i++) {
		Elf64_Sym symbol = csd_elf_symbol_at(elf, symbols, i);
		struct csd_elf_name name;

		if (symbol.st_shndx == section && ELF64_ST_TYPE(symbol.st_info) == STT_OBJECT) {
			name = csd_elf_symbol_name(elf, symbols, &symbol);
			rc = object_maps_read(&reader, &symbol, name.text);
		}
	}
	csd_btf_close(&reader.btf);
	return rc;
}
