/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <stddef.h>

#include "csd_call.h"
#include "csd_emit_buffer.h"

_Static_assert(CSD_FIRST == CSD_CALL_FIRST && CSD_LAST == CSD_CALL_LAST, "flags are handed on as they are");
_Static_assert(sizeof(struct csd_range) == sizeof(struct csd_call_range) &&
	       offsetof(struct csd_range, bytes) == offsetof(struct csd_call_range, bytes), "and so are ranges");

/* The context, whose fields are words, and what of the call is in each. */
static const struct {
	size_t at;
	const char *value;
} fields[] = {
	{offsetof(struct csd_context, begin), "call->input"},
	{offsetof(struct csd_context, end), "call->input + call->input_bytes"},
	{offsetof(struct csd_context, offset), "call->input_offset"},
	{offsetof(struct csd_context, flags), "call->flags & 3"},
	{offsetof(struct csd_context, ranges), "call->ranges"},
	{offsetof(struct csd_context, range_count), "call->range_count"},
	{offsetof(struct csd_context, data), "call->data"},
	{offsetof(struct csd_context, data_bytes), "call->data_bytes"},
	{offsetof(struct csd_context, consumed), "call->input_bytes"},
};

void
csd_emit_buffer(FILE *out, const struct csd_object *object, uint32_t id)
{
	fprintf(out, "CSD_EXPORT void\ncsd_%u_call(struct csd_call *call)\n{\n\tu64 context[%zu], verdict;\n\n", id,
		sizeof(struct csd_context) / 8);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		fprintf(out, "\tcontext[%zu] = %s;\n", fields[i].at / 8, fields[i].value);
	}
	fprintf(out, "\tcsd_begin(call);\n\tverdict = csd_%u_f%u((u64)context, 0, 0, 0, 0);\n"
		"\tcsd_end_buffer(call, context[%zu], verdict);\n}\n\n", id, object->entry,
		offsetof(struct csd_context, consumed) / 8);
}
