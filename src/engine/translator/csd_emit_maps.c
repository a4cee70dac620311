/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_emit_maps.h"
#include "csd_helper.h"

/* By their functions' names in csd_helper.c. */
static const int32_t helpers[] = {1, 2, 3, CSD_HELPER_EACH};

/* Where a map lies. */
static void
emit_maps_place(FILE *out, const struct csd_object *object, uint32_t id, uint32_t index)
{
	const struct csd_map *map = &object->maps[index];

	if (map->kept) {
		fprintf(out, "(u64)(csd_%u_kept + %llu)", id, (unsigned long long)map->kept_at / 8);
	} else {
		fprintf(out, "(u64)csd_%u_map%u", id, index + 1);
	}
}

/* One helper for one map. */
static void
emit_maps_one(FILE *out, const struct csd_object *object, uint32_t id, uint32_t index, const struct csd_helper *helper)
{
	const struct csd_map *map = &object->maps[index];
	const char *kind = map->type == CSD_MAP_ARRAY ? "array" : "hash";

	fprintf(out, "static u64\ncsd_%u_map%u_%s(u64 r2, u64 r3, u64 r4)\n{\n\treturn ", id, index + 1, helper->function);
	if (helper->number == CSD_HELPER_EACH) {
		fprintf(out, "csd_%u_%s_each(%uU, ", id, kind, index + 1);
	} else {
		fprintf(out, "csd_%s_%s(", kind, helper->function);
	}
	emit_maps_place(out, object, id, index);
	fprintf(out, ", %uU, %uU, %uU, %uU, r2, r3, r4);\n}\n", map->key_bytes, map->value_bytes, map->entries, map->buckets);
}

/* The helper, which is told by a number for which map. */
static void
emit_maps_helper(FILE *out, const struct csd_object *object, uint32_t id, const struct csd_helper *helper)
{
	for (uint32_t i = 0; i < object->map_count; i++) {
		emit_maps_one(out, object, id, i, helper);
	}
	fprintf(out, "CSD_COPY u64\ncsd_%u_%s(u64 map, u64 r2%s)\n{\n\tswitch (map) {\n", id, helper->function,
		helper->arguments > 2 ? ", u64 r3, u64 r4" : "");
	for (uint32_t i = 0; i < object->map_count; i++) {
		fprintf(out, "\tcase %u:\n\t\treturn csd_%u_map%u_%s(r2, %s);\n", i + 1, id, i + 1, helper->function,
			helper->arguments > 2 ? "r3, r4" : "0, 0");
	}
	fputs("\tdefault:\n\t\tcsd_fault();\n\t}\n}\n\n", out);
}

void
csd_emit_maps(FILE *out, const struct csd_object *object, uint32_t id)
{
	if (object->kept_bytes > 0) {
		/* One piece, and seen from outside: whoever begins a run fills it. */
		fprintf(out, "CSD_AREA CSD_KEPT u64 csd_%u_kept[%llu];\n", id, (unsigned long long)object->kept_bytes / 8);
	}
	for (uint32_t i = 0; i < object->map_count; i++) {
		if (!object->maps[i].kept) {
			fprintf(out, "static u64 csd_%u_map%u[%llu];\n", id, i + 1, (unsigned long long)object->maps[i].bytes / 8);
		}
	}
	if (csd_object_calls(object, CSD_HELPER_EACH)) {
		fprintf(out, "CSD_EACH(csd_%u_array_each, csd_%u_hash_each, csd_%u_back)\n", id, id, id);
	}
	for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
		if (csd_object_calls(object, helpers[i])) {
			emit_maps_helper(out, object, id, csd_helper_numbered(helpers[i]));
		}
	}
}
