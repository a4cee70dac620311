/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_session.h"

#include "csd_ways.h"

#include <string.h>

#define OFFLOAD_ARENA_BYTES	(64u << 20)	/* results that wait for their turn */
#define SLM_COMMANDS		144		/* the most that the standard flow has under way */

const char *
csd_session_asked(const struct csd_session *session)
{
	static char text[640];

	snprintf(text, sizeof(text), "data set of %lu records (%lu bytes) from seed %lu on %s", session->set.records,
		 csd_dataset_bytes(&session->set), session->set.seed, session->io->name);
	return text;
}

struct csd_setting
csd_session_setting(const struct csd_session *session, enum csd_way_id way)
{
	const struct csd_setting_list *list = &session->options->settings[way];

	return (struct csd_setting){ list->io_sizes[0], list->depths[0] };
}

uint32_t
csd_session_result_bytes(const struct csd_session *session)
{
	uint32_t asked = session->options->result_bytes;
	uint32_t most = session->commands->transfer_bytes;

	return asked != 0 && asked < most ? asked : most;
}

/* Whether anything is to run on the drive. */
static bool
session_on_drive(const struct csd_options *options)
{
	unsigned int i;

	for (i = 0; i < options->way_count; i++) {
		if (options->ways[i] != CSD_WAY_BASELINE) {
			return true;
		}
	}
	return options->command == CSD_PHASES || options->command == CSD_WORKERS;
}

/* The most memory, the most transfers and the largest transfer that any asked setting of the way needs. */
static void
session_largest_of_way(const struct csd_options *options, enum csd_way_id way, size_t *arena_bytes, uint32_t *depth,
		       uint32_t *io_bytes)
{
	const struct csd_setting_list *list = &options->settings[way];
	unsigned int i, j;

	for (i = 0; i < list->io_size_count; i++) {
		for (j = 0; j < list->depth_count; j++) {
			struct csd_setting setting = { list->io_sizes[i], list->depths[j] };
			size_t bytes = csd_setting_bytes(&setting);

			if (way == CSD_WAY_OFFLOAD) {
				bytes = OFFLOAD_ARENA_BYTES;
			} else if (way == CSD_WAY_SLM) {
				bytes = csd_slm_lane_bytes(setting.io_bytes, false) * setting.depth;
			} else {
				*io_bytes = setting.io_bytes > *io_bytes ? setting.io_bytes : *io_bytes;
			}
			*arena_bytes = bytes > *arena_bytes ? bytes : *arena_bytes;
			*depth = setting.depth > *depth ? setting.depth : *depth;
		}
	}
}

static void
session_largest(const struct csd_options *options, size_t *arena_bytes, uint32_t *depth, uint32_t *io_bytes)
{
	*arena_bytes = 0;
	*depth = 0;
	*io_bytes = 0;
	session_largest_of_way(options, CSD_WAY_BASELINE, arena_bytes, depth, io_bytes);
	if (session_on_drive(options)) {
		session_largest_of_way(options, CSD_WAY_OFFLOAD, arena_bytes, depth, io_bytes);
		session_largest_of_way(options, CSD_WAY_SLM, arena_bytes, depth, io_bytes);
		*depth = *depth > SLM_COMMANDS ? *depth : SLM_COMMANDS;
	}
}

/* A file that is too short is one that `write` makes longer, and `verify` finds incomplete. */
static bool
session_may_be_short(enum csd_command command)
{
	return command == CSD_WRITE || command == CSD_VERIFY;
}

static int
session_check_size(struct csd_session *session, struct csd_error *err)
{
	const struct csd_place *place = &session->options->place;
	const struct csd_io *io = session->io;

	if (place->device_bytes != 0 && io->bytes != place->device_bytes) {
		csd_fail(err, CSD_REFUSED, "%s with %lu bytes", io->name, place->device_bytes);
		csd_found(err, "it has %lu bytes", io->bytes);
		return csd_fix(err, "correct the declared size or the device: this may be somebody else's");
	}
	if (io->bytes < session->transfer_bytes &&
	    !(io->ops->grow != NULL && session_may_be_short(session->options->command))) {
		csd_fail(err, CSD_REFUSED, "%s", csd_session_asked(session));
		csd_found(err, "%lu bytes are needed, the device has %lu", session->transfer_bytes, io->bytes);
		return csd_fix(err, "ask for at most %lu records, or name a larger device",
			       io->bytes / io->block_bytes * io->block_bytes / CSD_RECORD_BYTES);
	}
	return 0;
}

static int
session_check_settings(const struct csd_session *session, struct csd_error *err)
{
	unsigned int way, i, j;

	for (way = 0; way < CSD_WAYS; way++) {
		const struct csd_setting_list *list = &session->options->settings[way];

		for (i = 0; i < list->io_size_count; i++) {
			for (j = 0; j < list->depth_count; j++) {
				struct csd_setting setting = { list->io_sizes[i], list->depths[j] };
				int rc = csd_setting_check(&setting, session->io, err);

				if (rc != 0) {
					return rc;
				}
			}
		}
	}
	return 0;
}

static int
session_prepare(struct csd_session *session, size_t arena_bytes, struct csd_error *err)
{
	uint32_t block_bytes = session->io->block_bytes;
	int rc;

	session->transfer_bytes = (csd_dataset_bytes(&session->set) + block_bytes - 1) / block_bytes * block_bytes;
	rc = session_check_size(session, err);
	if (rc == 0) {
		rc = session_check_settings(session, err);
	}
	return rc != 0 ? rc : csd_stream_open(&session->stream, session->io, arena_bytes, err);
}

/* Programs are driven over the same connection; with the kernel, by its pass-through nodes. */
static int
session_open_drive(struct csd_session *session, uint32_t depth, struct csd_error *err)
{
	const struct csd_place *place = &session->options->place;

	if (place->path != NULL) {
		session->commands = csd_io_open_passthru(place->path, depth, err);
	} else {
		session->commands = session->io;
	}
	return session->commands != NULL ? csd_drive_read(session, err) : -(int)err->code;
}

/* Before the device is opened: so that nvme_tcp_trace sees its connections begin. */
static void
session_open_wire(struct csd_session *session)
{
	const struct csd_options *options = session->options;
	const struct csd_place *place = &options->place;

	if (place->traddr != NULL) {
		csd_wire_init(&session->wire, place->traddr, place->trsvcid, true);
	} else if (options->wire_address != NULL) {
		csd_wire_init(&session->wire, options->wire_address, options->wire_port, false);
	}
	if (options->trace != NULL) {
		csd_wire_trace(&session->wire, options->trace);
	}
}

int
csd_session_open(struct csd_session *session, const struct csd_options *options, struct csd_error *err)
{
	const struct csd_place *place = &options->place;
	uint32_t depth, io_bytes;
	size_t arena_bytes;
	int rc;

	memset(session, 0, sizeof(*session));
	session->options = options;
	csd_dataset_init(&session->set, options->records, options->seed);
	session_largest(options, &arena_bytes, &depth, &io_bytes);
	session_open_wire(session);
	if (place->path != NULL) {
		session->io = csd_io_open_file(place, options->command == CSD_WRITE, depth, err);
	} else {
		session->io = csd_io_open_spdk(place, depth, io_bytes, err);
	}
	if (session->io == NULL) {
		csd_wire_close(&session->wire);
		return -(int)err->code;
	}
	rc = session_prepare(session, arena_bytes, err);
	if (rc == 0 && session_on_drive(options)) {
		rc = session_open_drive(session, depth, err);
	}
	if (rc != 0) {
		csd_session_close(session);
		return rc;
	}
	return 0;
}

void
csd_session_close(struct csd_session *session)
{
	csd_drive_free(&session->drive);
	if (session->commands != NULL && session->commands != session->io) {
		session->commands->ops->close(session->commands);
	}
	csd_stream_close(&session->stream);
	session->io->ops->close(session->io);
	session->io = NULL;
	csd_wire_close(&session->wire);
}
