/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_session.h"

#include <string.h>

const char *
csd_session_asked(const struct csd_session *session)
{
	static char text[640];

	snprintf(text, sizeof(text), "data set of %lu records (%lu bytes) from seed %lu on %s", session->set.records,
		 csd_dataset_bytes(&session->set), session->set.seed, session->io->name);
	return text;
}

struct csd_setting
csd_session_setting(const struct csd_session *session)
{
	return (struct csd_setting){ session->options->io_sizes[0], session->options->depths[0] };
}

/* The most memory, the most transfers and the largest transfer that any asked setting needs. */
static void
largest(const struct csd_options *options, size_t *arena_bytes, uint32_t *depth, uint32_t *io_bytes)
{
	unsigned int i, j;

	*arena_bytes = 0;
	*depth = 0;
	*io_bytes = 0;
	for (i = 0; i < options->io_size_count; i++) {
		for (j = 0; j < options->depth_count; j++) {
			struct csd_setting setting = { options->io_sizes[i], options->depths[j] };
			size_t bytes = csd_setting_bytes(&setting);

			*arena_bytes = bytes > *arena_bytes ? bytes : *arena_bytes;
			*depth = setting.depth > *depth ? setting.depth : *depth;
			*io_bytes = setting.io_bytes > *io_bytes ? setting.io_bytes : *io_bytes;
		}
	}
}

/* A file that is too short is one that `write` makes longer, and `verify` finds incomplete. */
static bool
may_be_short(enum csd_command command)
{
	return command == CSD_WRITE || command == CSD_VERIFY;
}

static int
check_size(struct csd_session *session, struct csd_error *err)
{
	const struct csd_place *place = &session->options->place;
	const struct csd_io *io = session->io;

	if (place->device_bytes != 0 && io->bytes != place->device_bytes) {
		csd_fail(err, CSD_REFUSED, "%s with %lu bytes", io->name, place->device_bytes);
		csd_found(err, "it has %lu bytes", io->bytes);
		return csd_fix(err, "correct the declared size or the device: this may be somebody else's");
	}
	if (io->bytes < session->transfer_bytes && !(io->ops->grow != NULL && may_be_short(session->options->command))) {
		csd_fail(err, CSD_REFUSED, "%s", csd_session_asked(session));
		csd_found(err, "%lu bytes are needed, the device has %lu", session->transfer_bytes, io->bytes);
		return csd_fix(err, "ask for at most %lu records, or name a larger device",
			       io->bytes / io->block_bytes * io->block_bytes / CSD_RECORD_BYTES);
	}
	return 0;
}

static int
check_settings(const struct csd_session *session, struct csd_error *err)
{
	const struct csd_options *options = session->options;
	unsigned int i, j;

	for (i = 0; i < options->io_size_count; i++) {
		for (j = 0; j < options->depth_count; j++) {
			struct csd_setting setting = { options->io_sizes[i], options->depths[j] };
			int rc = csd_setting_check(&setting, session->io, err);

			if (rc != 0) {
				return rc;
			}
		}
	}
	return 0;
}

static int
prepare(struct csd_session *session, size_t arena_bytes, struct csd_error *err)
{
	uint32_t block_bytes = session->io->block_bytes;
	int rc;

	session->transfer_bytes = (csd_dataset_bytes(&session->set) + block_bytes - 1) / block_bytes * block_bytes;
	rc = check_size(session, err);
	if (rc == 0) {
		rc = check_settings(session, err);
	}
	return rc != 0 ? rc : csd_stream_open(&session->stream, session->io, arena_bytes, err);
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
	largest(options, &arena_bytes, &depth, &io_bytes);
	if (place->path != NULL) {
		session->io = csd_io_open_file(place, options->command == CSD_WRITE, depth, err);
	} else {
		session->io = csd_io_open_spdk(place, depth, io_bytes, err);
	}
	if (session->io == NULL) {
		return -(int)err->code;
	}
	rc = prepare(session, arena_bytes, err);
	if (rc != 0) {
		csd_session_close(session);
		return rc;
	}
	if (place->traddr != NULL) {
		csd_wire_init(&session->wire, place->traddr, place->trsvcid, true);
	} else if (options->wire_address != NULL) {
		csd_wire_init(&session->wire, options->wire_address, options->wire_port, false);
	}
	return 0;
}

void
csd_session_close(struct csd_session *session)
{
	csd_stream_close(&session->stream);
	session->io->ops->close(session->io);
	session->io = NULL;
}
