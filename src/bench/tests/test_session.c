/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The commands, on files with direct I/O: write, verify, baseline, tune, and what they refuse. */
#define _GNU_SOURCE
#include "check.h"
#include "csd_session.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME	"data.img"

static struct csd_error g_error;
static char g_output[65536];

static struct csd_options
options_for(enum csd_command command, uint64_t records)
{
	struct csd_options options = {
		.command = command,
		.command_name = "test",
		.place = { .path = FILE_NAME },
		.records = records,
		.seed = 17,
		.settings = { { { 4096, 16384 }, 2, { 4, 2 }, 2 } },
		.ways = { CSD_WAY_BASELINE },
		.way_count = 1,
		.programs = { { "threshold", 0 } },
		.program_count = 1,
		.selectivities = { 0, 1, 2, 3, 4 },
		.selectivity_count = 5,
		.repeats = 2,
		.warmups = 1,
		.sample_bytes = 1u << 20,
		.budget_s = 10,
	};

	return options;
}

/* Runs one command; its output is in g_output, its error in g_error. */
static int
run(const struct csd_options *options)
{
	struct csd_session session;
	struct csd_json json;
	FILE *out = fmemopen(g_output, sizeof(g_output), "w");
	int rc;

	memset(&g_error, 0, sizeof(g_error));
	memset(g_output, 0, sizeof(g_output));
	csd_json_init(&json, out);
	rc = csd_session_open(&session, options, &g_error);
	if (rc == 0) {
		if (options->command == CSD_WRITE) {
			rc = csd_command_write(&session, &json, &g_error);
		} else if (options->command == CSD_VERIFY) {
			rc = csd_command_verify(&session, &json, &g_error);
		} else if (options->command == CSD_MEASURE) {
			rc = csd_command_measure(&session, &json, &g_error);
		} else {
			rc = csd_command_tune(&session, &json, &g_error);
		}
		csd_session_close(&session);
	}
	fclose(out);
	CHECK(rc == 0 || (int)g_error.code == -rc);
	return rc;
}

static int
run_command(enum csd_command command, uint64_t records)
{
	struct csd_options options = options_for(command, records);

	return run(&options);
}

static void
poke(off_t offset, const void *data, size_t bytes)
{
	int fd = open(FILE_NAME, O_WRONLY | O_CREAT, 0600);

	CHECK(pwrite(fd, data, bytes, offset) == (ssize_t)bytes);
	CHECK(fsync(fd) == 0);
	close(fd);
}

static off_t
size_of_file(void)
{
	struct stat st;

	CHECK(stat(FILE_NAME, &st) == 0);
	return st.st_size;
}

static void
test_write_and_verify_any_size(void)
{
	static const uint64_t sizes[] = { 1, 7, 8, 63, 64, 65, 1000, 4096, 10001 };
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unlink(FILE_NAME);
		CHECK(run_command(CSD_WRITE, sizes[i]) == 0);
		CHECK_U64((unsigned long)size_of_file(), (sizes[i] * 64 + 4095) / 4096 * 4096);
		CHECK(run_command(CSD_VERIFY, sizes[i]) == 0);
		CHECK(strstr(g_output, "\"equal\": true") != NULL);
		CHECK(run_command(CSD_WRITE, sizes[i]) == 0);	/* over itself */
		CHECK(run_command(CSD_VERIFY, sizes[i]) == 0);
	}
}

static void
test_one_wrong_byte(void)
{
	unlink(FILE_NAME);
	CHECK(run_command(CSD_WRITE, 1000) == 0);
	poke(777 * 64 + 63, "\xa5", 1);
	CHECK(run_command(CSD_VERIFY, 1000) == -CSD_WRONG_DATA);
	CHECK(strstr(g_error.found, ": 1 of 1000 records differ, the first is record 777 at byte 49728 (0 never written, "
		     "1 of another data set or damaged, 0 somebody else's)") != NULL);
	CHECK(strstr(g_output, "\"equal\": false") != NULL);
	CHECK(strstr(g_output, "\"records_ours\": 1") != NULL);
	CHECK(run_command(CSD_WRITE, 1000) == 0);		/* damaged, but ours: mended */
	CHECK(run_command(CSD_VERIFY, 1000) == 0);
}

static void
test_nothing_foreign_is_overwritten(void)
{
	struct csd_options force = options_for(CSD_WRITE, 1000);

	unlink(FILE_NAME);
	CHECK(run_command(CSD_WRITE, 1000) == 0);
	poke(500 * 64, "precious", 8);
	CHECK(run_command(CSD_WRITE, 1000) == -CSD_REFUSED);
	CHECK_TEXT(g_error.asked, "write the data set of 1000 records (64000 bytes) from seed 17 on " FILE_NAME);
	CHECK_TEXT(g_error.found, "something else lies there: byte 32000 and 0 more 64-byte places hold neither zeros nor "
		   "a record of this program");
	CHECK_TEXT(g_error.fix, "name the right device, or, if what lies there may be lost, write with --force");
	force.force = true;
	CHECK(run(&force) == 0);
	CHECK(run_command(CSD_VERIFY, 1000) == 0);
}

/* Behind the last record of a data set, in its last block. */
static void
test_the_tail_counts_too(void)
{
	unlink(FILE_NAME);
	CHECK(run_command(CSD_WRITE, 1001) == 0);
	poke(1001 * 64, "precious", 8);
	CHECK(run_command(CSD_VERIFY, 1001) == 0);		/* the data set is whole */
	CHECK(run_command(CSD_WRITE, 1001) == -CSD_REFUSED);
	CHECK(strstr(g_error.found, "byte 64064 and 0 more") != NULL);
}

static void
test_a_foreign_file_stays_as_it_is(void)
{
	unlink(FILE_NAME);
	poke(0, "a short text", 12);
	CHECK(run_command(CSD_WRITE, 1000) == -CSD_REFUSED);
	CHECK_TEXT(g_error.found, "something else lies there: byte 0 and 0 more 64-byte places hold neither zeros nor a "
		   "record of this program");
	CHECK_U64((unsigned long)size_of_file(), 12);
}

static void
test_half_a_data_set_is_completed(void)
{
	unlink(FILE_NAME);
	CHECK(run_command(CSD_WRITE, 500) == 0);
	CHECK(truncate(FILE_NAME, 64512 / 4096 * 4096) == 0);
	CHECK(run_command(CSD_WRITE, 1000) == 0);		/* another size, with zeros between */
	CHECK(run_command(CSD_VERIFY, 1000) == 0);
}

static void
test_a_short_file_is_an_incomplete_data_set(void)
{
	unlink(FILE_NAME);
	CHECK(run_command(CSD_WRITE, 500) == 0);
	CHECK(run_command(CSD_VERIFY, 600) == -CSD_WRONG_DATA);	/* 512 places are there */
	CHECK(strstr(g_output, "\"records_zero\": 100,") != NULL);
	CHECK(strstr(g_output, "\"records_foreign\": 0}") != NULL);
	CHECK(truncate(FILE_NAME, 0) == 0);
	CHECK(run_command(CSD_VERIFY, 600) == -CSD_WRONG_DATA);
	CHECK(strstr(g_output, "\"records_zero\": 600, \"records_ours\": 0, \"records_foreign\": 0") != NULL);
}

static void
test_size_and_identity(void)
{
	struct csd_options options = options_for(CSD_MEASURE, 2000);

	unlink(FILE_NAME);
	CHECK(run_command(CSD_WRITE, 1000) == 0);
	CHECK(run(&options) == -CSD_REFUSED);
	CHECK_TEXT(g_error.found, "131072 bytes are needed, the device has 65536");
	CHECK_TEXT(g_error.fix, "ask for at most 1024 records, or name a larger device");
	options.records = 1000;
	options.place.device_bytes = 99;
	CHECK(run(&options) == -CSD_REFUSED);
	CHECK_TEXT(g_error.found, "it has 65536 bytes");
	options.place.device_bytes = 65536;
	CHECK(run(&options) == 0);
	options.place.uuid = "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0001";
	CHECK(run(&options) == -CSD_REFUSED);
	CHECK_TEXT(g_error.found, "its UUID is none");
	options.place = (struct csd_place){ .path = "not there" };
	CHECK(run(&options) == -CSD_UNAVAILABLE);
	CHECK_TEXT(g_error.found, "No such file or directory");
	options.place.path = "/dev/null";
	CHECK(run(&options) == -CSD_REFUSED);
	CHECK_TEXT(g_error.found, "it is neither a regular file nor a block device");
	options.place.path = FILE_NAME;
	options.settings[CSD_WAY_BASELINE].io_sizes[1] = 1000;
	CHECK(run(&options) == -CSD_USAGE);
	CHECK_TEXT(g_error.asked, "I/O size 1000");
}

static void
test_baseline_and_tune(void)
{
	unlink(FILE_NAME);
	CHECK(run_command(CSD_WRITE, 10001) == 0);
	CHECK(run_command(CSD_MEASURE, 10001) == 0);
	CHECK(strstr(g_output, "\"matches\": 10,") != NULL);
	CHECK(strstr(g_output, "\"matches\": 5001,") != NULL);
	CHECK(strstr(g_output, "\"matches\": 10001,") != NULL);
	CHECK(run_command(CSD_TUNE, 10001) == 0);
	CHECK(strstr(g_output, "\"best\": {\"io_bytes\": ") != NULL);
}

/* A record that should match and does not, and one that should not and does. */
static void
test_baseline_notices_wrong_data(void)
{
	static const int32_t cold = -40000, hot = 124999;
	struct csd_dataset set;
	struct csd_record record;
	uint64_t index = 0;

	unlink(FILE_NAME);
	CHECK(run_command(CSD_WRITE, 10001) == 0);
	csd_dataset_init(&set, 10001, 17);
	do {
		csd_dataset_fill(&set, index++, 1, &record);
	} while (record.temperature < 85000);
	poke((off_t)(index - 1) * 64 + 20, &cold, 4);
	CHECK(run_command(CSD_MEASURE, 10001) == -CSD_WRONG_DATA);
	CHECK(strncmp(g_error.asked, "baseline by threshold at selectivity 0.001: 10 matches with SHA-256 ", 67) == 0);
	CHECK(strncmp(g_error.found, "9 matches with SHA-256 ", 23) == 0);
	poke((off_t)(index - 1) * 64 + 20, &hot, 4);		/* as many matches, another record */
	CHECK(run_command(CSD_MEASURE, 10001) == -CSD_WRONG_DATA);
	CHECK(strncmp(g_error.found, "10 matches with SHA-256 ", 24) == 0);
}

/* Far more matches than the memory for them was made for. */
static void
test_baseline_survives_too_many_matches(void)
{
	struct csd_options options = options_for(CSD_MEASURE, 10001);
	static struct csd_record hot[10048];
	size_t i;

	for (i = 0; i < 10048; i++) {
		hot[i].temperature = 124999;
	}
	unlink(FILE_NAME);
	poke(0, hot, sizeof(hot));
	options.selectivity_count = 1;
	CHECK(run(&options) == -CSD_WRONG_DATA);
	CHECK_TEXT(g_error.asked, "what threshold selects");
	CHECK_TEXT(g_error.fix, "verify the data set, and write it again");
}

int
main(void)
{
	RUN(test_write_and_verify_any_size);
	RUN(test_one_wrong_byte);
	RUN(test_nothing_foreign_is_overwritten);
	RUN(test_the_tail_counts_too);
	RUN(test_a_foreign_file_stays_as_it_is);
	RUN(test_half_a_data_set_is_completed);
	RUN(test_a_short_file_is_an_incomplete_data_set);
	RUN(test_size_and_identity);
	RUN(test_baseline_and_tune);
	RUN(test_baseline_notices_wrong_data);
	RUN(test_baseline_survives_too_many_matches);
	unlink(FILE_NAME);
	return check_done();
}
