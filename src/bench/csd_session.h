/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What all commands that touch a device have in common: the data set, the open device, its buffers. */
#ifndef CSD_SESSION_H
#define CSD_SESSION_H

#include "csd_digest.h"
#include "csd_drive.h"
#include "csd_json.h"
#include "csd_options.h"
#include "csd_wire.h"

struct csd_session {
	const struct csd_options *options;
	struct csd_dataset set;
	uint64_t transfer_bytes;	/* the records, rounded up to whole blocks */
	struct csd_io *io;		/* the data */
	struct csd_io *commands;	/* what programs are driven through; may be `io`; NULL: nothing is to run on the drive */
	struct csd_drive drive;
	uint16_t range_set;		/* for a program whose state goes on from scan to scan; 0: none */
	struct csd_stream stream;
	struct csd_wire wire;
};

/* Opens the device and checks that it is the declared one and large enough. */
int csd_session_open(struct csd_session *session, const struct csd_options *options, struct csd_error *err);
void csd_session_close(struct csd_session *session);

/* The first setting for a way: what everything but tune uses. Writing and verifying take the baseline's. */
struct csd_setting csd_session_setting(const struct csd_session *session, enum csd_way_id way);

/* "data set of N records from seed S" */
const char *csd_session_asked(const struct csd_session *session);

/* What a scan's result buffer has: as much as one command can carry, or as was asked. */
uint32_t csd_session_result_bytes(const struct csd_session *session);

/* The commands. Each prints its result; negative: `err` says why not. */
int csd_command_write(struct csd_session *session, struct csd_json *json, struct csd_error *err);
int csd_command_verify(struct csd_session *session, struct csd_json *json, struct csd_error *err);
int csd_command_measure(struct csd_session *session, struct csd_json *json, struct csd_error *err);
int csd_command_tune(struct csd_session *session, struct csd_json *json, struct csd_error *err);
int csd_command_workers(struct csd_session *session, struct csd_json *json, struct csd_error *err);
int csd_command_phases(struct csd_session *session, struct csd_json *json, struct csd_error *err);

#endif
