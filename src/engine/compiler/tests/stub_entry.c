/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Behind each program that the translator gives no csd_ID_call() yet, one is put here, by the linker's --wrap: one call of the
 * program, with input, its length and the room for output in r1 to r3, and what it returns in `matches`.
 */
#include <stdlib.h>
#include <string.h>

#include "csd_emit.h"
#include "stub_entry.h"

const char *stub_more;

int __real_csd_emit_program(FILE *out, const struct csd_object *object, uint32_t id);
int __wrap_csd_emit_program(FILE *out, const struct csd_object *object, uint32_t id);

int
__wrap_csd_emit_program(FILE *out, const struct csd_object *object, uint32_t id)
{
	char *text = NULL;
	size_t length;
	FILE *program = open_memstream(&text, &length);
	int rc = __real_csd_emit_program(program, object, id);

	fclose(program);
	fputs(text, out);
	if (strstr(text, "_call(struct csd_call *") == NULL) {
		fprintf(out, "CSD_EXPORT void csd_%u_call(u64 call) {\n"
			"STORE(m64, call + 96, csd_%u_program(LOAD(m64, call), LOAD(m64, call + 8), LOAD(m64, call + 24), 0, 0)); }\n", id, id);
	}
	if (stub_more != NULL) {
		fprintf(out, "%s\n", stub_more);
	}
	free(text);
	return rc;
}
