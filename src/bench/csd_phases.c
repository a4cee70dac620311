/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* phases: what each step of the standard flow takes alone, from a program's bytes to its result. */
#include "csd_ways.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PROGRAM_BYTES	(1u << 20)

struct sample {
	struct csd_slot_timing slot;
	double unload_s;
	double copy_s, execute_s, read_s;
	uint64_t scan_ns;
};

struct phases {
	struct csd_session *session;
	struct csd_error *err;
	struct csd_task task;
	struct csd_output output;
	uint8_t *program;
	uint32_t program_bytes;
	uint64_t bytes;			/* that one Execute runs over */
};

static int
phases_read_program(struct phases *phases, const char *path)
{
	FILE *file = fopen(path, "rb");
	size_t got = 0;

	phases->program = malloc(MAX_PROGRAM_BYTES);
	if (file != NULL && phases->program != NULL) {
		got = fread(phases->program, 1, MAX_PROGRAM_BYTES, file);
	}
	if (got == 0) {
		csd_fail(phases->err, CSD_UNAVAILABLE, "the program in %s", path);
		csd_found(phases->err, "%s", file == NULL ? strerror(errno) : "nothing can be read from it");
		csd_fix(phases->err, "let the role csd_target install it, or name another file (--elf)");
	}
	if (file != NULL) {
		fclose(file);
	}
	phases->program_bytes = (uint32_t)got;
	return got > 0 ? 0 : -CSD_UNAVAILABLE;
}

/* Load, verify, activate; one chunk through copy, execute and read with nothing beside it; unload. */
static int
phases_measure(struct phases *phases, struct sample *sample)
{
	struct csd_session *session = phases->session;
	struct csd_setting setting = { csd_session_setting(session, CSD_WAY_SLM).io_bytes, 1 };
	double begun;
	int rc, unloaded;

	rc = csd_drive_load(session, phases->task.slot, phases->program, phases->program_bytes, &sample->slot, phases->err);
	if (rc != 0) {
		return rc;
	}
	rc = csd_way_slm(session, &setting, &phases->task, phases->bytes, &phases->output, phases->err);
	sample->copy_s = phases->output.copy_s;
	sample->execute_s = phases->output.execute_s;
	sample->read_s = phases->output.read_s;
	sample->scan_ns = phases->output.scan_ns;
	begun = csd_now();
	unloaded = csd_drive_unload(session, phases->task.slot, phases->err);
	sample->unload_s = csd_now() - begun;
	return rc != 0 ? rc : unloaded;
}

static void
phases_print_all(const struct phases *phases, struct csd_json *json, const struct sample *samples)
{
	uint32_t i;

	csd_print_head(phases->session, json, "phases", NULL);
	csd_json_string(json, "program", phases->task.native->name);
	csd_json_raw(json, "selectivity", csd_task_selectivity(&phases->task));
	csd_json_u64(json, "program_bytes", phases->program_bytes);
	csd_json_u64(json, "slot", phases->task.slot);
	csd_json_u64(json, "chunk_bytes", phases->bytes);
	csd_json_u64(json, "matched_bytes", phases->output.bytes);
	csd_json_array(json, "samples");
	for (i = 0; i < phases->session->options->repeats; i++) {
		csd_json_object(json, NULL);
		csd_json_seconds(json, "load_s", samples[i].slot.load_s);
		csd_json_seconds(json, "verify_s", samples[i].slot.verify_s);
		csd_json_seconds(json, "activate_s", samples[i].slot.activate_s);
		csd_json_seconds(json, "copy_s", samples[i].copy_s);
		csd_json_seconds(json, "execute_s", samples[i].execute_s);
		csd_json_seconds(json, "program_s", (double)samples[i].scan_ns * 1e-9);
		csd_json_seconds(json, "read_s", samples[i].read_s);
		csd_json_seconds(json, "unload_s", samples[i].unload_s);
		csd_json_object_end(json);
	}
	csd_json_array_end(json);
	csd_json_object_end(json);
	csd_json_finish(json);
}

static int
phases_run(struct phases *phases, struct csd_json *json)
{
	const struct csd_options *options = phases->session->options;
	struct sample *samples = calloc(options->repeats, sizeof(*samples));
	struct sample ignored;
	uint32_t i;
	int rc = samples != NULL ? 0 : -CSD_UNAVAILABLE;

	for (i = 0; i < options->warmups && rc == 0; i++) {
		rc = phases_measure(phases, &ignored);
	}
	for (i = 0; i < options->repeats && rc == 0; i++) {
		rc = phases_measure(phases, &samples[i]);
	}
	if (rc == 0) {
		phases_print_all(phases, json, samples);
	}
	free(samples);
	return rc;
}

int
csd_command_phases(struct csd_session *session, struct csd_json *json, struct csd_error *err)
{
	struct phases phases = { .session = session, .err = err };
	const struct csd_options *options = session->options;
	uint64_t most = csd_dataset_bytes(&session->set);
	int slot = csd_drive_spare_slot(&session->drive);
	int rc;

	if (slot < 0) {
		csd_fail(err, CSD_UNAVAILABLE, "a spare program slot in namespace %u of %s", options->compute_nsid,
			 session->io->name);
		csd_found(err, "none of its %u slots is empty", session->drive.slot_count);
		return csd_fix(err, "make the compute namespace with more slots, or unload a program");
	}
	csd_task_init(&phases.task, "threshold", options->selectivities[0], &session->set);
	phases.task.slot = (uint16_t)slot;
	phases.bytes = csd_session_setting(session, CSD_WAY_SLM).io_bytes;
	phases.bytes = phases.bytes < most ? phases.bytes : most;
	rc = phases_read_program(&phases, options->elf);
	if (rc == 0) {
		rc = csd_output_alloc(&phases.output, phases.bytes + session->stream.arena_bytes, err);
	}
	if (rc == 0) {
		rc = phases_run(&phases, json);
	}
	csd_output_free(&phases.output);
	free(phases.program);
	return rc;
}
