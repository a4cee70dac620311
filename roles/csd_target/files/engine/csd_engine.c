/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "csd_elf.h"

/* A further kind of program is one more line here and one more file. */
static const struct csd_engine_ops *const engines[] = {
	&csd_record_engine,
};

static const struct csd_engine_ops *
engine_of(const char *kind)
{
	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		if (strcmp(engines[i]->kind, kind) == 0) {
			return engines[i];
		}
	}
	return NULL;
}

int
csd_program_load(const void *bytes, size_t length, const struct csd_load_options *options,
		 struct csd_program **program, char reason[CSD_REASON_BYTES])
{
	static const struct csd_load_options defaults;
	const struct csd_engine_ops *ops;
	struct csd_code code = {0};
	int rc;

	*program = NULL;
	reason[0] = '\0';
	if (options == NULL) {
		options = &defaults;
	}
	rc = csd_elf_read(bytes, length, options, &code, reason);
	if (rc != 0) {
		return rc;
	}
	ops = engine_of(code.kind);
	if (ops != NULL) {
		rc = ops->load(&code, options, program, reason);
	} else {
		rc = csd_refuse(reason, "section %s: no engine runs this kind of program", code.kind);
	}
	if (rc != 0) {
		free(code.insns);
	}
	return rc;
}

void
csd_program_unload(struct csd_program *program)
{
	if (program != NULL) {
		program->ops->unload(program);
	}
}

const struct csd_program_info *
csd_program_info(const struct csd_program *program)
{
	return &program->info;
}

struct csd_instance *
csd_instance_create(const struct csd_program *program)
{
	return program->ops->create(program);
}

void
csd_instance_destroy(struct csd_instance *instance)
{
	if (instance != NULL) {
		instance->ops->destroy(instance);
	}
}

int
csd_instance_begin(struct csd_instance *instance, const struct csd_run_parameters *parameters)
{
	return instance->ops->begin(instance, parameters);
}

const void *
csd_instance_state(const struct csd_instance *instance)
{
	return instance->ops->state(instance);
}

enum csd_slice_end
csd_instance_run(struct csd_instance *instance, struct csd_slice *slice)
{
	return instance->ops->run(instance, slice);
}
