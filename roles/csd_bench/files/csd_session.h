/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What all commands that touch a device have in common: the data set, the open device, its buffers. */
#ifndef CSD_SESSION_H
#define CSD_SESSION_H

#include "csd_digest.h"
#include "csd_json.h"
#include "csd_options.h"
#include "csd_wire.h"

struct csd_session {
	const struct csd_options *options;
	struct csd_dataset set;
	uint64_t transfer_bytes;	/* the records, rounded up to whole blocks */
	struct csd_io *io;
	struct csd_stream stream;
	struct csd_wire wire;
};

/* Opens the device and checks that it is the declared one and large enough. */
int csd_session_open(struct csd_session *session, const struct csd_options *options, struct csd_error *err);
void csd_session_close(struct csd_session *session);

/* The setting that write, verify and baseline use. */
struct csd_setting csd_session_setting(const struct csd_session *session);

/* "data set of N records from seed S" */
const char *csd_session_asked(const struct csd_session *session);

/* The commands. Each prints its result; negative: `err` says why not. */
int csd_command_write(struct csd_session *session, struct csd_json *json, struct csd_error *err);
int csd_command_verify(struct csd_session *session, struct csd_json *json, struct csd_error *err);
int csd_command_baseline(struct csd_session *session, struct csd_json *json, struct csd_error *err);
int csd_command_tune(struct csd_session *session, struct csd_json *json, struct csd_error *err);

/* One read of [0, bytes) with the filter over it: what baseline and tune time. Returns seconds; negative: failed. */
struct csd_scan {
	int32_t threshold;
	uint64_t records;		/* in the range */
	struct csd_record *out;		/* the matches, packed */
	uint64_t capacity;
	uint64_t matches;
};

int csd_scan_run(struct csd_session *session, const struct csd_setting *setting, uint64_t bytes, struct csd_scan *scan,
		 double *seconds, struct csd_error *err);

/* Room for matches: the known answer's and one buffer's more. NULL: `err` says why. */
struct csd_record *csd_scan_alloc(struct csd_session *session, uint64_t matches, uint64_t *capacity,
				  struct csd_error *err);
void csd_scan_free(struct csd_record *out, uint64_t capacity);

#endif
