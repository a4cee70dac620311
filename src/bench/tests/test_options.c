/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "check.h"
#include "csd_options.h"

#define MAX_ARGS	24

static struct csd_options g_options;
static struct csd_error g_error;
static char g_words[MAX_ARGS][64];

/* One string, words apart by spaces, as a command line; the parser may write into the words. */
static int
parse(const char *line)
{
	char *argv[MAX_ARGS + 1] = { NULL };
	char copy[512], *rest = copy, *word;
	int argc = 0;

	snprintf(copy, sizeof(copy), "csd_bench %s", line);
	while ((word = strsep(&rest, " ")) != NULL) {
		snprintf(g_words[argc], sizeof(g_words[argc]), "%s", word);
		argv[argc] = g_words[argc];
		argc++;
	}
	memset(&g_error, 0, sizeof(g_error));
	return csd_options_parse(argc, argv, &g_options, &g_error);
}

static void
test_sizes(void)
{
	uint64_t value;

	CHECK(csd_parse_size("0", 10, &value) && value == 0);
	CHECK(csd_parse_size("128K", UINT64_MAX, &value) && value == 131072);
	CHECK(csd_parse_size("3M", UINT64_MAX, &value) && value == 3145728);
	CHECK(csd_parse_size("2G", UINT64_MAX, &value) && value == 2147483648);
	CHECK(csd_parse_size("18446744073709551615", UINT64_MAX, &value) && value == UINT64_MAX);
	CHECK(!csd_parse_size("18446744073709551616", UINT64_MAX, &value));
	CHECK(!csd_parse_size("18014398509481984K", UINT64_MAX, &value));
	CHECK(!csd_parse_size("-1", UINT64_MAX, &value));
	CHECK(!csd_parse_size(" 1", UINT64_MAX, &value));
	CHECK(!csd_parse_size("", UINT64_MAX, &value));
	CHECK(!csd_parse_size("1x", UINT64_MAX, &value));
	CHECK(!csd_parse_size("1KB", UINT64_MAX, &value));
	CHECK(!csd_parse_size("11", 10, &value));
}

static void
test_defaults(void)
{
	CHECK(parse("answer") == 0);
	CHECK_U64(g_options.command, CSD_ANSWER);
	CHECK_U64(g_options.records, 4194304);
	CHECK_U64(g_options.seed, 1);
	CHECK_U64(g_options.selectivity_count, 5);
	CHECK(parse("verify --path /dev/x") == 0);
	CHECK_U64(g_options.settings[CSD_WAY_BASELINE].io_sizes[0], 131072);
	CHECK_U64(g_options.settings[CSD_WAY_BASELINE].depths[0], 32);
	CHECK_U64(g_options.repeats, 5);
	CHECK_U64(g_options.warmups, 1);
	CHECK(g_options.place.core == -1);
	CHECK(!g_options.force);
}

static void
test_ways_and_programs(void)
{
	CHECK(parse("compare --path f --program threshold=0,search=3,top") == 0);
	CHECK_U64(g_options.command, CSD_MEASURE);
	CHECK_U64(g_options.way_count, 3);
	CHECK_U64(g_options.program_count, 3);
	CHECK_TEXT(g_options.programs[1].name, "search");
	CHECK_U64(g_options.programs[1].slot, 3);
	CHECK_U64(g_options.programs[2].slot, 0);
	CHECK_U64(g_options.compute_nsid, 3);
	CHECK_U64(g_options.slm_nsid, 2);
	CHECK(parse("compare --path f --ways slm,baseline --range-size 1M,16M --range-depth 2 --chunk-size 4M") == 0);
	CHECK_U64(g_options.way_count, 2);
	CHECK_U64(g_options.ways[0], CSD_WAY_SLM);
	CHECK_U64(g_options.settings[CSD_WAY_OFFLOAD].io_sizes[1], 16777216);
	CHECK_U64(g_options.settings[CSD_WAY_SLM].io_sizes[0], 4194304);
	CHECK(parse("offload --path f") == 0);
	CHECK_U64(g_options.way_count, 1);
	CHECK_U64(g_options.ways[0], CSD_WAY_OFFLOAD);
	CHECK(parse("tune --path f --ways slm") == 0);
	CHECK_U64(g_options.ways[0], CSD_WAY_SLM);
	CHECK(parse("compare --path f --ways slm,slm") == -CSD_USAGE);
	CHECK_TEXT(g_error.asked, "--ways slm");
	CHECK_TEXT(g_error.found, "possible is each of baseline, offload, slm, once");
	CHECK(parse("compare --path f --program bottom=1") == -CSD_USAGE);
	CHECK_TEXT(g_error.found, "possible is NAME=SLOT: threshold, search, aggregate, histogram, sample or top, and a slot's "
		   "number");
	CHECK(parse("compare --path f --program top=70000") == -CSD_USAGE);
	CHECK(parse("compare --path f --chunk-depth 17") == -CSD_USAGE);
	CHECK_TEXT(g_error.found, "possible is a number from 1 to 16 (K, M, G may follow)");
}

static void
test_everything_given(void)
{
	CHECK(parse("tune --traddr 10.0.0.1 --trsvcid 4421 --subnqn nqn.a --hostnqn nqn.b --nsid 3 --io-size 64K,1M "
		    "--queue-depth 1,2,4 --selectivity 0.5,0.010") == 0);
	CHECK_TEXT(g_options.place.traddr, "10.0.0.1");
	CHECK_TEXT(g_options.place.trsvcid, "4421");
	CHECK_U64(g_options.place.nsid, 3);
	CHECK_U64(g_options.settings[CSD_WAY_BASELINE].io_size_count, 2);
	CHECK_U64(g_options.settings[CSD_WAY_BASELINE].io_sizes[1], 1048576);
	CHECK_U64(g_options.settings[CSD_WAY_BASELINE].depth_count, 3);
	CHECK_U64(g_options.selectivity_count, 2);
	CHECK_U64(g_options.selectivities[0], 3);
	CHECK_U64(g_options.selectivities[1], 1);
	CHECK(parse("baseline --path f --wire-peer 127.0.0.1,4420 --step --core 0 --repeats 3 --warm-ups 0") == 0);
	CHECK_TEXT(g_options.wire_address, "127.0.0.1");
	CHECK_TEXT(g_options.wire_port, "4420");
	CHECK(g_options.step && g_options.place.core == 0);
	CHECK(parse("write --path f --force --device-bytes 1G --uuid 1-2") == 0);
	CHECK(g_options.force);
	CHECK_U64(g_options.place.device_bytes, 1u << 30);
}

static void
refused(const char *line, const char *asked, const char *found)
{
	CHECK(parse(line) == -CSD_USAGE);
	CHECK_TEXT(g_error.asked, asked);
	CHECK_TEXT(g_error.found, found);
	CHECK(g_error.fix[0] != '\0');
}

static void
test_refusals(void)
{
	refused("", "csd_bench ", "no such command");
	refused("frob", "csd_bench frob", "no such command");
	refused("answer --records 0", "--records 0", "possible is a number from 1 to 4294967295 (K, M, G may follow)");
	refused("answer --records 4G", "--records 4G", "possible is a number from 1 to 4294967295 (K, M, G may follow)");
	refused("answer --seed x", "--seed x",
		"possible is a number from 0 to 18446744073709551615 (K, M, G may follow)");
	refused("answer --selectivity 0.02", "--selectivity 0.02", "possible is each of 0.001, 0.01, 0.1, 0.5, 1, once");
	refused("answer --selectivity 1,1,1,1,1,1", "--selectivity 1",
		"possible is each of 0.001, 0.01, 0.1, 0.5, 1, once");
	refused("answer --nonsense", "csd_bench answer", "an option that it does not know, or one without its value");
	refused("answer --seed", "csd_bench answer", "an option that it does not know, or one without its value");
	refused("answer more", "csd_bench answer more", "an argument that belongs to no option");
	refused("verify", "csd_bench verify", "it is not said where the data lies, or said twice");
	refused("verify --path a --traddr b --subnqn c --hostnqn d", "csd_bench verify",
		"it is not said where the data lies, or said twice");
	refused("verify --traddr 1.2.3.4 --subnqn c", "csd_bench verify",
		"it is not said where the data lies, or said twice");
	refused("verify --path a --queue-depth 257", "--queue-depth 257",
		"possible is a number from 1 to 256 (K, M, G may follow)");
	refused("verify --path a --io-size 1,,2", "--io-size ", "possible is a number from 1 to 16777216 (K, M, G may follow)");
	refused("verify --path a --wire-peer 1.2.3.4:5", "--wire-peer 1.2.3.4:5", "possible is ADDRESS,PORT in numbers");
	refused("tune --path a --io-size 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "--io-size 1",
		"possible is a list of at most 16 numbers");
}

int
main(void)
{
	RUN(test_sizes);
	RUN(test_defaults);
	RUN(test_ways_and_programs);
	RUN(test_everything_given);
	RUN(test_refusals);
	return check_done();
}
