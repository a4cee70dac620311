/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <string.h>

#include "csd_emit_records.h"

void
csd_emit_records(FILE *out, const struct csd_object *object, uint32_t id)
{
	const struct csd_geometry *geometry = &object->geometry;

	if (strcmp(object->kind, "csd/record") != 0 || (geometry->flags & CSD_POSITIONS) || geometry->emit == CSD_EMIT_OFFSET) {
		return;
	}
	fprintf(out, "CSD_EXPORT void\ncsd_%u_records(u64 cursor)\n{\n"
		"\tu64 record = LOAD(m64, cursor), left = LOAD(m64, cursor + 8), out = LOAD(m64, cursor + 16);\n"
		"\tu64 matches = LOAD(m64, cursor + 24), verdict;\n\n"
		"\tdo {\n", id);
	if (geometry->stride_bytes >= CSD_RECORDS_LINE) {
		fprintf(out, "\t\t__builtin_prefetch((const void *)(record + %uU));\n", CSD_RECORDS_AHEAD);
	}
	fprintf(out, "\t\tverdict = csd_%u_f%u(record, 0, 0, 0, 0);\n"
		"\t\tif ((verdict & %u) != 0) {\n"
		"\t\t\tmatches++;\n", id, object->entry, CSD_KEEP);
	if (geometry->emit == CSD_EMIT_RECORD) {
		fprintf(out, "\t\t\tEMIT(out, record, %uU);\n\t\t\tout += %uU;\n", geometry->record_bytes, geometry->record_bytes);
	}
	fprintf(out, "\t\t}\n"
		"\t\trecord += %uU;\n"
		"\t\tleft--;\n"
		"\t} while (left != 0 && (verdict & %u) == 0);\n"
		"\tSTORE(m64, cursor, record);\n\tSTORE(m64, cursor + 8, left);\n\tSTORE(m64, cursor + 16, out);\n"
		"\tSTORE(m64, cursor + 24, matches);\n\tSTORE(m64, cursor + 32, verdict);\n}\n\n", geometry->stride_bytes, CSD_STOP);
}
