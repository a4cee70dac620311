/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* write and verify: the data set on the device. */
#include "csd_session.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH	1024

static double
write_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* What a device holds, record for record, against what it should hold. */
struct survey {
	const struct csd_dataset *set;
	uint64_t equal;
	uint64_t zero;			/* never written */
	uint64_t ours;			/* of another seed or size, or damaged */
	uint64_t foreign;		/* somebody else's */
	uint64_t first_difference;
	uint64_t first_foreign;
	bool hash;
	struct csd_digest read_digest;
	struct csd_digest made_digest;
};

static void
write_survey_record(struct survey *survey, const struct csd_record *read, const struct csd_record *made, uint64_t index)
{
	if (memcmp(read, made, sizeof(*read)) == 0) {
		survey->equal++;
		return;
	}
	if (survey->first_difference > index) {
		survey->first_difference = index;
	}
	if (csd_record_is_zero(read)) {
		survey->zero++;
	} else if (csd_record_is_ours(read, index)) {
		survey->ours++;
	} else {
		survey->foreign++;
		if (survey->first_foreign > index) {
			survey->first_foreign = index;
		}
	}
}

/* Behind the last record, up to the end of its block: what `write` fills with zeros. */
static void
write_survey_tail(struct survey *survey, const struct csd_record *read, uint64_t index)
{
	if (!csd_record_is_zero(read) && !csd_record_is_ours(read, index)) {
		survey->foreign++;
		if (survey->first_foreign > index) {
			survey->first_foreign = index;
		}
	}
}

/* The records behind the end of a file, from `index` on. A last block that is not whole is not from this program. */
static void
write_survey_missing(struct survey *survey, uint64_t index, bool odd_end)
{
	if (index < survey->set->records) {
		survey->zero += survey->set->records - index;
		if (survey->first_difference > index) {
			survey->first_difference = index;
		}
	}
	if (odd_end) {
		survey->foreign++;
		if (survey->first_foreign > index) {
			survey->first_foreign = index;
		}
	}
}

static int
write_survey_piece(void *ctx, uint64_t offset, uint8_t *data, uint32_t bytes, struct csd_error *err)
{
	static struct csd_record made[BATCH];
	struct survey *survey = ctx;
	const struct csd_record *read = (const struct csd_record *)data;
	uint64_t index = offset / CSD_RECORD_BYTES;
	size_t left = bytes / CSD_RECORD_BYTES, i;

	(void)err;
	while (left > 0 && index < survey->set->records) {
		uint64_t rest = survey->set->records - index;
		size_t count = left < BATCH ? left : BATCH;

		count = count < rest ? count : (size_t)rest;
		csd_dataset_fill(survey->set, index, count, made);
		for (i = 0; i < count; i++) {
			write_survey_record(survey, &read[i], &made[i], index + i);
		}
		if (survey->hash) {
			csd_digest_add(&survey->read_digest, read, count * sizeof(*read));
			csd_digest_add(&survey->made_digest, made, count * sizeof(*made));
		}
		read += count;
		index += count;
		left -= count;
	}
	for (; left > 0; left--) {
		write_survey_tail(survey, read++, index++);
	}
	return 0;
}

/* Reads all that the data set takes. Of a file that is shorter, what is missing counts as never written. */
static int
write_survey_run(struct csd_session *session, struct survey *survey, bool hash, struct csd_error *err)
{
	struct csd_setting setting = csd_session_setting(session, CSD_WAY_BASELINE);
	uint64_t there = session->io->bytes / session->io->block_bytes * session->io->block_bytes;
	bool shorter = there < session->transfer_bytes;
	int rc;

	memset(survey, 0, sizeof(*survey));
	survey->set = &session->set;
	survey->first_difference = UINT64_MAX;
	survey->first_foreign = UINT64_MAX;
	survey->hash = hash;
	if (hash) {
		csd_digest_begin(&survey->read_digest);
		csd_digest_begin(&survey->made_digest);
	}
	rc = csd_stream_read(&session->stream, &setting, shorter ? there : session->transfer_bytes, write_survey_piece,
			     survey, err);
	if (shorter) {
		write_survey_missing(survey, there / CSD_RECORD_BYTES, session->io->bytes != there);
	}
	return rc;
}

static int
write_produce_piece(void *ctx, uint64_t offset, uint8_t *data, uint32_t bytes, struct csd_error *err)
{
	struct csd_session *session = ctx;
	uint64_t first = offset / CSD_RECORD_BYTES;
	size_t slots = bytes / CSD_RECORD_BYTES;
	uint64_t rest = session->set.records - first;
	size_t count = slots < rest ? slots : (size_t)rest;

	(void)err;
	csd_dataset_fill(&session->set, first, count, (struct csd_record *)data);
	memset(data + count * CSD_RECORD_BYTES, 0, bytes - count * CSD_RECORD_BYTES);
	return 0;
}

static int
write_refuse_foreign(const struct csd_session *session, const struct survey *survey, struct csd_error *err)
{
	csd_fail(err, CSD_REFUSED, "write the %s", csd_session_asked(session));
	csd_found(err, "something else lies there: byte %lu and %lu more 64-byte places hold neither zeros nor a record "
		  "of this program", survey->first_foreign * CSD_RECORD_BYTES, survey->foreign - 1);
	return csd_fix(err, "name the right device, or, if what lies there may be lost, write with --force");
}

int
csd_command_write(struct csd_session *session, struct csd_json *json, struct csd_error *err)
{
	struct csd_setting setting = csd_session_setting(session, CSD_WAY_BASELINE);
	struct survey survey;
	double seconds;
	int rc = 0;

	if (!session->options->force) {
		rc = write_survey_run(session, &survey, false, err);
		if (rc == 0 && survey.foreign > 0) {
			rc = write_refuse_foreign(session, &survey, err);
		}
	}
	if (rc == 0 && session->io->bytes < session->transfer_bytes) {
		rc = session->io->ops->grow(session->io, session->transfer_bytes, err);
	}
	if (rc != 0) {
		return rc;
	}
	seconds = write_now();
	rc = csd_stream_write(&session->stream, &setting, session->transfer_bytes, write_produce_piece, session, err);
	if (rc != 0) {
		return rc;
	}
	seconds = write_now() - seconds;
	csd_json_object(json, NULL);
	csd_json_string(json, "command", "write");
	csd_json_u64(json, "records", session->set.records);
	csd_json_u64(json, "seed", session->set.seed);
	csd_json_u64(json, "bytes", csd_dataset_bytes(&session->set));
	csd_json_seconds(json, "seconds", seconds);
	csd_json_object_end(json);
	csd_json_finish(json);
	return 0;
}

static int
write_explain_difference(const struct csd_session *session, const struct survey *survey, const char *read,
			 const char *made, struct csd_error *err)
{
	csd_fail(err, CSD_WRONG_DATA, "%s, SHA-256 %s", csd_session_asked(session), made);
	csd_found(err, "SHA-256 %s: %lu of %lu records differ, the first is record %lu at byte %lu (%lu never written, "
		  "%lu of another data set or damaged, %lu somebody else's)", read, survey->set->records - survey->equal,
		  survey->set->records, survey->first_difference, survey->first_difference * CSD_RECORD_BYTES,
		  survey->zero, survey->ours, survey->foreign);
	return csd_fix(err, "write the data set again (csd_bench write, or the module csd_dataset)");
}

int
csd_command_verify(struct csd_session *session, struct csd_json *json, struct csd_error *err)
{
	char read[CSD_HEX_BYTES], made[CSD_HEX_BYTES];
	struct survey survey;
	int rc = write_survey_run(session, &survey, true, err);

	csd_digest_end(&survey.read_digest, read);
	csd_digest_end(&survey.made_digest, made);
	if (rc != 0) {
		return rc;
	}
	csd_json_object(json, NULL);
	csd_json_string(json, "command", "verify");
	csd_json_u64(json, "records", session->set.records);
	csd_json_u64(json, "seed", session->set.seed);
	csd_json_u64(json, "bytes", csd_dataset_bytes(&session->set));
	csd_json_u64(json, "device_bytes", session->io->bytes);
	csd_json_u64(json, "block_bytes", session->io->block_bytes);
	csd_json_bool(json, "equal", survey.equal == session->set.records && strcmp(read, made) == 0);
	csd_json_string(json, "sha256", read);
	csd_json_string(json, "expected_sha256", made);
	csd_json_u64(json, "records_equal", survey.equal);
	csd_json_u64(json, "records_zero", survey.zero);
	csd_json_u64(json, "records_ours", survey.ours);
	csd_json_u64(json, "records_foreign", survey.foreign);
	csd_json_object_end(json);
	csd_json_finish(json);
	if (strcmp(read, made) != 0 || survey.equal != session->set.records) {
		return write_explain_difference(session, &survey, read, made, err);
	}
	return 0;
}
