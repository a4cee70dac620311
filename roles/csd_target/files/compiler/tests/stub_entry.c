/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Until the translator writes csd_ID_call() itself, it is put behind each program here, by the linker's --wrap: one call of
 * the program, with input, its length and the room for output in r1 to r3, and what it returns in `matches`.
 */
#include "csd_emit.h"
#include "stub_entry.h"

const char *stub_more;

int __real_csd_emit_program(FILE *out, const struct csd_object *object, uint32_t id);
int __wrap_csd_emit_program(FILE *out, const struct csd_object *object, uint32_t id);

int
__wrap_csd_emit_program(FILE *out, const struct csd_object *object, uint32_t id)
{
	int rc = __real_csd_emit_program(out, object, id);

	fprintf(out, "CSD_EXPORT void csd_%u_call(u64 call) {\n"
		"STORE(m64, call + 96, csd_%u_program(LOAD(m64, call), LOAD(m64, call + 8), LOAD(m64, call + 24), 0, 0)); }\n"
		"%s\n", id, id, stub_more != NULL ? stub_more : "");
	return rc;
}
