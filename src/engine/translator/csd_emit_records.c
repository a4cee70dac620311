/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_emit_records.h"
#include "csd_helper.h"

void
csd_emit_records(FILE *out, const struct csd_object *object, uint32_t id)
{
	const struct csd_geometry *geometry = &object->geometry;
	bool positions = geometry->flags & CSD_POSITIONS;

	if (positions) {
		fprintf(out, "static u64 csd_%u_tail[%u];\n", id, (geometry->record_bytes + 7) / 8);
	}
	fprintf(out, "CSD_EXPORT void\ncsd_%u_call(struct csd_call *call)\n{\n"
		"\tcsd_%s(call, csd_%u_f%u, (u64)csd_%u_parameters, %u, %u", id, positions ? "positions" : "records", id,
		object->entry, id, geometry->record_bytes, geometry->stride_bytes);
	if (positions) {
		fprintf(out, ", (u64)csd_%u_tail", id);
	} else {
		fprintf(out, ", %u, %u", geometry->emit, csd_object_calls(object, CSD_HELPER_EMIT));
	}
	fprintf(out, ");\n}\n\n");
}
