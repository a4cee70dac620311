/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE
#include "csd_native.h"
#include "csd_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_RECORDS		4194304
#define DEFAULT_SEED		1
#define DEFAULT_IO_BYTES	(128u << 10)
#define DEFAULT_DEPTH		32
#define DEFAULT_MEMORY_MB	128
#define DEFAULT_SAMPLE_BYTES	(256u << 20)
#define DEFAULT_BUDGET_S	20
#define MAX_IO_BYTES		(16u << 20)
#define MAX_REPEATS		1000
#define DEFAULT_RANGE_BYTES	(8u << 20)
#define DEFAULT_RANGE_DEPTH	4
#define MAX_RANGE_BYTES		(1u << 30)
#define DEFAULT_CHUNK_BYTES	(4u << 20)
#define DEFAULT_CHUNK_DEPTH	4
#define MAX_CHUNK_BYTES		(16u << 20)	/* one source of SLM Copy: 65536 blocks of 512 bytes are 32 MiB */
#define DEFAULT_COMPUTE_NSID	3
#define DEFAULT_SLM_NSID	2

enum option_id {
	OPT_RECORDS = 256,
	OPT_SEED,
	OPT_PATH,
	OPT_TRADDR,
	OPT_TRSVCID,
	OPT_SUBNQN,
	OPT_HOSTNQN,
	OPT_NSID,
	OPT_UUID,
	OPT_DEVICE_BYTES,
	OPT_IO_SIZE,
	OPT_QUEUE_DEPTH,
	OPT_SELECTIVITY,
	OPT_REPEATS,
	OPT_WARMUPS,
	OPT_SAMPLE,
	OPT_BUDGET,
	OPT_MEMORY,
	OPT_CORE,
	OPT_WIRE_PEER,
	OPT_TRACE,
	OPT_FORCE,
	OPT_STEP,
	OPT_WAYS,
	OPT_PROGRAM,
	OPT_RANGE_SIZE,
	OPT_RANGE_DEPTH,
	OPT_RESULT_SIZE,
	OPT_CHUNK_SIZE,
	OPT_CHUNK_DEPTH,
	OPT_COMPUTE_NSID,
	OPT_SLM_NSID,
	OPT_ELF,
};

static const struct option g_options[] = {
	{ "records", required_argument, NULL, OPT_RECORDS },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "path", required_argument, NULL, OPT_PATH },
	{ "traddr", required_argument, NULL, OPT_TRADDR },
	{ "trsvcid", required_argument, NULL, OPT_TRSVCID },
	{ "subnqn", required_argument, NULL, OPT_SUBNQN },
	{ "hostnqn", required_argument, NULL, OPT_HOSTNQN },
	{ "nsid", required_argument, NULL, OPT_NSID },
	{ "uuid", required_argument, NULL, OPT_UUID },
	{ "device-bytes", required_argument, NULL, OPT_DEVICE_BYTES },
	{ "io-size", required_argument, NULL, OPT_IO_SIZE },
	{ "queue-depth", required_argument, NULL, OPT_QUEUE_DEPTH },
	{ "selectivity", required_argument, NULL, OPT_SELECTIVITY },
	{ "repeats", required_argument, NULL, OPT_REPEATS },
	{ "warm-ups", required_argument, NULL, OPT_WARMUPS },
	{ "sample", required_argument, NULL, OPT_SAMPLE },
	{ "budget", required_argument, NULL, OPT_BUDGET },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "core", required_argument, NULL, OPT_CORE },
	{ "wire-peer", required_argument, NULL, OPT_WIRE_PEER },
	{ "trace", required_argument, NULL, OPT_TRACE },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "step", no_argument, NULL, OPT_STEP },
	{ "ways", required_argument, NULL, OPT_WAYS },
	{ "program", required_argument, NULL, OPT_PROGRAM },
	{ "range-size", required_argument, NULL, OPT_RANGE_SIZE },
	{ "range-depth", required_argument, NULL, OPT_RANGE_DEPTH },
	{ "result-size", required_argument, NULL, OPT_RESULT_SIZE },
	{ "chunk-size", required_argument, NULL, OPT_CHUNK_SIZE },
	{ "chunk-depth", required_argument, NULL, OPT_CHUNK_DEPTH },
	{ "compute-nsid", required_argument, NULL, OPT_COMPUTE_NSID },
	{ "slm-nsid", required_argument, NULL, OPT_SLM_NSID },
	{ "elf", required_argument, NULL, OPT_ELF },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* `ways`: bits of enum csd_way_id. */
static const struct {
	const char *name;
	enum csd_command command;
	unsigned int ways;
} g_commands[] = {
	{ "answer", CSD_ANSWER, 0 },
	{ "write", CSD_WRITE, 0 },
	{ "verify", CSD_VERIFY, 0 },
	{ "baseline", CSD_MEASURE, 1 << CSD_WAY_BASELINE },
	{ "offload", CSD_MEASURE, 1 << CSD_WAY_OFFLOAD },
	{ "slm", CSD_MEASURE, 1 << CSD_WAY_SLM },
	{ "compare", CSD_MEASURE, 1 << CSD_WAY_BASELINE | 1 << CSD_WAY_OFFLOAD | 1 << CSD_WAY_SLM },
	{ "tune", CSD_TUNE, 1 << CSD_WAY_BASELINE },
	{ "phases", CSD_PHASES, 0 },
	{ "workers", CSD_WORKERS, 0 },
	{ "help", CSD_HELP, 0 },
	{ "--help", CSD_HELP, 0 },
	{ "-h", CSD_HELP, 0 },
};

static const char *const g_way_names[CSD_WAYS] = { "baseline", "offload", "slm" };

void
csd_options_usage(FILE *out)
{
	fputs("usage: csd_bench COMMAND [options]      (results: JSON on stdout; errors: asked, found, do on stderr)\n"
	      "\n"
	      "  answer     the known answer: digests and match counts, from the generator alone\n"
	      "  write      write the data set; refuses where something else than zeros or a data set of ours lies\n"
	      "  verify     read it back and compare (exit 5 where it differs; the JSON says how)\n"
	      "  baseline   read everything, run the program natively on this host\n"
	      "  offload    let the drive run it by scan commands, receive what it selects\n"
	      "  slm        the standard flow: SLM Copy, Execute Program, SLM Read\n"
	      "  compare    all of them (or --ways) by turns; each: time, bytes, CPU, matches, digest\n"
	      "  tune       find the fastest setting for one way (--ways, baseline)\n"
	      "  phases     what loading, verifying, executing and reading the result take, in a spare slot\n"
	      "  workers    Execute Program with its worker awake and asleep; scans, so many at a time as --range-depth says\n"
	      "\n"
	      "data set     --records N (4194304)  --seed N (1)\n"
	      "where        --path FILE-OR-BLOCK-DEVICE [--wire-peer ADDRESS,PORT: count the kernel's connections to it]\n"
	      "             [--trace NVME_TCP_TRACE: the program that counts bytes on the wire; else tcp_info's are told]\n"
	      "         or  --traddr IP [--trsvcid 4420] --subnqn NQN --hostnqn NQN [--nsid 1]\n"
	      "             [--memory MIB (128)] [--core N (the last one)]\n"
	      "             [--uuid UUID] [--device-bytes N]     refuse any other device\n"
	      "drive        [--compute-nsid 3] [--slm-nsid 2]\n"
	      "             --program NAME=SLOT[,NAME=SLOT...] (threshold=0); threshold, search, aggregate, histogram,\n"
	      "             sample, top; --elf FILE: phases, the threshold program's file\n"
	      "how          --io-size N[,N...] (128K)  --queue-depth N[,N...] (32)          baseline: reads\n"
	      "             --range-size N[,N...] (8M)  --range-depth N[,N...] (4)          offload: scans\n"
	      "             --result-size N (the most that one command carries)             offload: a scan's buffer\n"
	      "             --chunk-size N[,N...] (4M)  --chunk-depth N[,N...] (4)          slm: chunks\n"
	      "             --ways baseline,offload,slm   compare: which; tune: for which\n"
	      "             (tune tries all sizes and depths; else the first counts, and a second for 0.5 and 1)\n"
	      "             --selectivity 0.001,0.01,0.1,0.5,1 (all)  --repeats N (5)  --warm-ups N (1)\n"
	      "             --sample N (256M)  --budget SECONDS (20)   tune: what a pass reads, what the sweep may take\n"
	      "             --step    before and after each timed repeat print a line, wait for a line\n"
	      "             --force   write: overwrite whatever is there\n",
	      out);
}

bool
csd_parse_size(const char *text, uint64_t limit, uint64_t *value)
{
	char *end;
	unsigned int shift = 0;

	if (*text < '0' || *text > '9') {
		return false;
	}
	errno = 0;
	*value = strtoull(text, &end, 10);
	if (*end == 'K') {
		shift = 10;
	} else if (*end == 'M') {
		shift = 20;
	} else if (*end == 'G') {
		shift = 30;
	}
	if (errno != 0 || end[shift != 0] != '\0' || *value > limit >> shift) {
		return false;
	}
	*value <<= shift;
	return true;
}

static int
options_bad_value(struct csd_error *err, const char *name, const char *text, const char *possible)
{
	csd_fail(err, CSD_USAGE, "--%s %s", name, text);
	csd_found(err, "possible is %s", possible);
	return csd_fix(err, "correct the value");
}

static int
options_parse_number(struct csd_error *err, const char *name, const char *text, uint64_t least, uint64_t limit,
		     uint64_t *value)
{
	char possible[96];

	if (csd_parse_size(text, limit, value) && *value >= least) {
		return 0;
	}
	snprintf(possible, sizeof(possible), "a number from %lu to %lu (K, M, G may follow)", least, limit);
	return options_bad_value(err, name, text, possible);
}

static int
options_parse_u32(struct csd_error *err, const char *name, const char *text, uint32_t least, uint32_t limit,
		  uint32_t *value)
{
	uint64_t wide = 0;
	int rc = options_parse_number(err, name, text, least, limit, &wide);

	if (rc == 0) {
		*value = (uint32_t)wide;
	}
	return rc;
}

/* Numbers with commas between them. */
static int
options_parse_list(struct csd_error *err, const char *name, char *text, uint32_t limit, uint32_t *list,
		   unsigned int *count)
{
	char *rest = text, *item;

	*count = 0;
	while ((item = strsep(&rest, ",")) != NULL) {
		int rc;

		if (*count == CSD_MAX_LIST) {
			return options_bad_value(err, name, text, "a list of at most 16 numbers");
		}
		rc = options_parse_u32(err, name, item, 1, limit, &list[(*count)++]);
		if (rc != 0) {
			return rc;
		}
	}
	return 0;
}

static int
options_parse_selectivities(struct csd_error *err, char *text, struct csd_options *options)
{
	char *rest = text, *item;

	options->selectivity_count = 0;
	while ((item = strsep(&rest, ",")) != NULL) {
		char *end;
		double value = strtod(item, &end);
		unsigned int i;

		for (i = 0; i < CSD_SELECTIVITIES; i++) {
			if (*item != '\0' && *end == '\0' &&
			    value > 0.99999 * csd_selectivities[i].permille / 1000 &&
			    value < 1.00001 * csd_selectivities[i].permille / 1000) {
				break;
			}
		}
		if (i == CSD_SELECTIVITIES || options->selectivity_count == CSD_SELECTIVITIES) {
			return options_bad_value(err, "selectivity", item, "each of 0.001, 0.01, 0.1, 0.5, 1, once");
		}
		options->selectivities[options->selectivity_count++] = i;
	}
	return 0;
}

static int
options_parse_ways(struct csd_error *err, char *text, struct csd_options *options)
{
	char *rest = text, *item;

	options->way_count = 0;
	while ((item = strsep(&rest, ",")) != NULL) {
		unsigned int way, i;

		for (way = 0; way < CSD_WAYS && strcmp(item, g_way_names[way]) != 0; way++) {
		}
		for (i = 0; i < options->way_count && options->ways[i] != way; i++) {
		}
		if (way == CSD_WAYS || i < options->way_count) {
			return options_bad_value(err, "ways", item, "each of baseline, offload, slm, once");
		}
		options->ways[options->way_count++] = way;
	}
	return 0;
}

/* NAME=SLOT,... */
static int
options_parse_programs(struct csd_error *err, char *text, struct csd_options *options)
{
	char *rest = text, *item;

	options->program_count = 0;
	while ((item = strsep(&rest, ",")) != NULL) {
		struct csd_program_choice *choice = &options->programs[options->program_count];
		char *equals = strchr(item, '=');
		uint64_t slot = 0;

		if (equals != NULL) {
			*equals = '\0';
		}
		if (options->program_count == CSD_MAX_LIST || csd_native_find(item) == NULL ||
		    (equals != NULL && !csd_parse_size(equals + 1, UINT16_MAX, &slot))) {
			return options_bad_value(err, "program", item,
						 "NAME=SLOT: threshold, search, aggregate, histogram, sample "
						 "or top, and a slot's number");
		}
		choice->name = item;
		choice->slot = (uint16_t)slot;
		options->program_count++;
	}
	return 0;
}

/* ADDRESS,PORT */
static int
options_parse_peer(struct csd_error *err, char *text, struct csd_options *options)
{
	char *comma = strchr(text, ',');

	if (comma == NULL) {
		return options_bad_value(err, "wire-peer", text, "ADDRESS,PORT in numbers");
	}
	*comma = '\0';
	options->wire_address = text;
	options->wire_port = comma + 1;
	return 0;
}

static int
options_parse_option(int id, char *text, struct csd_options *options, struct csd_error *err)
{
	struct csd_place *place = &options->place;
	struct csd_setting_list *baseline = &options->settings[CSD_WAY_BASELINE];
	struct csd_setting_list *offload = &options->settings[CSD_WAY_OFFLOAD];
	struct csd_setting_list *slm = &options->settings[CSD_WAY_SLM];
	uint32_t core = 0;
	int rc;

	switch (id) {
	case OPT_RECORDS:
		return options_parse_number(err, "records", text, 1, CSD_MAX_RECORDS, &options->records);
	case OPT_SEED:
		return options_parse_number(err, "seed", text, 0, UINT64_MAX, &options->seed);
	case OPT_PATH:
		place->path = text;
		return 0;
	case OPT_TRADDR:
		place->traddr = text;
		return 0;
	case OPT_TRSVCID:
		place->trsvcid = text;
		return 0;
	case OPT_SUBNQN:
		place->subnqn = text;
		return 0;
	case OPT_HOSTNQN:
		place->hostnqn = text;
		return 0;
	case OPT_NSID:
		return options_parse_u32(err, "nsid", text, 1, UINT32_MAX - 1, &place->nsid);
	case OPT_UUID:
		place->uuid = text;
		return 0;
	case OPT_DEVICE_BYTES:
		return options_parse_number(err, "device-bytes", text, 1, UINT64_MAX, &place->device_bytes);
	case OPT_IO_SIZE:
		return options_parse_list(err, "io-size", text, MAX_IO_BYTES, baseline->io_sizes,
					  &baseline->io_size_count);
	case OPT_QUEUE_DEPTH:
		return options_parse_list(err, "queue-depth", text, CSD_MAX_DEPTH, baseline->depths,
					  &baseline->depth_count);
	case OPT_SELECTIVITY:
		return options_parse_selectivities(err, text, options);
	case OPT_REPEATS:
		return options_parse_u32(err, "repeats", text, 1, MAX_REPEATS, &options->repeats);
	case OPT_WARMUPS:
		return options_parse_u32(err, "warm-ups", text, 0, MAX_REPEATS, &options->warmups);
	case OPT_SAMPLE:
		return options_parse_number(err, "sample", text, 1, UINT64_MAX, &options->sample_bytes);
	case OPT_BUDGET:
		return options_parse_u32(err, "budget", text, 1, 86400, &options->budget_s);
	case OPT_MEMORY:
		return options_parse_u32(err, "memory", text, 64, 1u << 20, &place->memory_mb);
	case OPT_CORE:
		rc = options_parse_u32(err, "core", text, 0, 1023, &core);
		place->core = (int)core;
		return rc;
	case OPT_WIRE_PEER:
		return options_parse_peer(err, text, options);
	case OPT_TRACE:
		options->trace = text;
		return 0;
	case OPT_FORCE:
		options->force = true;
		return 0;
	case OPT_STEP:
		options->step = true;
		return 0;
	case OPT_WAYS:
		return options_parse_ways(err, text, options);
	case OPT_PROGRAM:
		return options_parse_programs(err, text, options);
	case OPT_RANGE_SIZE:
		return options_parse_list(err, "range-size", text, MAX_RANGE_BYTES, offload->io_sizes,
					  &offload->io_size_count);
	case OPT_RANGE_DEPTH:
		return options_parse_list(err, "range-depth", text, CSD_MAX_DEPTH, offload->depths,
					  &offload->depth_count);
	case OPT_RESULT_SIZE:
		return options_parse_u32(err, "result-size", text, 8192, MAX_IO_BYTES, &options->result_bytes);
	case OPT_CHUNK_SIZE:
		return options_parse_list(err, "chunk-size", text, MAX_CHUNK_BYTES, slm->io_sizes, &slm->io_size_count);
	case OPT_CHUNK_DEPTH:
		return options_parse_list(err, "chunk-depth", text, 16, slm->depths, &slm->depth_count);
	case OPT_COMPUTE_NSID:
		return options_parse_u32(err, "compute-nsid", text, 1, UINT32_MAX - 1, &options->compute_nsid);
	case OPT_SLM_NSID:
		return options_parse_u32(err, "slm-nsid", text, 1, UINT32_MAX - 1, &options->slm_nsid);
	case OPT_ELF:
		options->elf = text;
		return 0;
	case 'h':
		options->command = CSD_HELP;
		return 0;
	default:
		csd_fail(err, CSD_USAGE, "csd_bench %s", options->command_name);
		csd_found(err, "an option that it does not know, or one without its value");
		return csd_fix(err, "see csd_bench help");
	}
}

static int
options_check_place(const struct csd_options *options, struct csd_error *err)
{
	const struct csd_place *place = &options->place;

	if (options->command == CSD_ANSWER || options->command == CSD_HELP ||
	    (place->path != NULL && place->traddr == NULL) ||
	    (place->path == NULL && place->traddr != NULL && place->subnqn != NULL && place->hostnqn != NULL)) {
		return 0;
	}
	csd_fail(err, CSD_USAGE, "csd_bench %s", options->command_name);
	csd_found(err, "it is not said where the data lies, or said twice");
	return csd_fix(err, "give either --path, or --traddr, --subnqn and --hostnqn");
}

static int
options_parse_command(int argc, char **argv, struct csd_options *options, struct csd_error *err)
{
	unsigned int way;
	size_t i;

	options->command_name = argc > 1 ? argv[1] : "";
	for (i = 0; i < sizeof(g_commands) / sizeof(g_commands[0]); i++) {
		if (strcmp(options->command_name, g_commands[i].name) == 0) {
			options->command = g_commands[i].command;
			for (way = 0; way < CSD_WAYS; way++) {
				if (g_commands[i].ways & 1u << way) {
					options->ways[options->way_count++] = way;
				}
			}
			return 0;
		}
	}
	csd_fail(err, CSD_USAGE, "csd_bench %s", options->command_name);
	csd_found(err, "no such command");
	return csd_fix(err, "give one of answer, write, verify, baseline, offload, slm, compare, tune, phases, workers, help");
}

static void
options_set_defaults(struct csd_options *options)
{
	unsigned int i;

	memset(options, 0, sizeof(*options));
	options->records = DEFAULT_RECORDS;
	options->seed = DEFAULT_SEED;
	options->place.trsvcid = "4420";
	options->place.nsid = 1;
	options->place.memory_mb = DEFAULT_MEMORY_MB;
	options->place.core = -1;
	options->settings[CSD_WAY_BASELINE] = (struct csd_setting_list){ { DEFAULT_IO_BYTES }, 1, { DEFAULT_DEPTH }, 1 };
	options->settings[CSD_WAY_OFFLOAD] = (struct csd_setting_list){ { DEFAULT_RANGE_BYTES }, 1,
									{ DEFAULT_RANGE_DEPTH }, 1 };
	options->settings[CSD_WAY_SLM] = (struct csd_setting_list){ { DEFAULT_CHUNK_BYTES }, 1,
								    { DEFAULT_CHUNK_DEPTH }, 1 };
	options->programs[0] = (struct csd_program_choice){ "threshold", 0 };
	options->program_count = 1;
	options->compute_nsid = DEFAULT_COMPUTE_NSID;
	options->slm_nsid = DEFAULT_SLM_NSID;
	options->elf = "/opt/hello_ebpf/csd_target/programs/threshold.bpf.o";
	for (i = 0; i < CSD_SELECTIVITIES; i++) {
		options->selectivities[i] = i;
	}
	options->selectivity_count = CSD_SELECTIVITIES;
	options->repeats = 5;
	options->warmups = 1;
	options->sample_bytes = DEFAULT_SAMPLE_BYTES;
	options->budget_s = DEFAULT_BUDGET_S;
}

int
csd_options_parse(int argc, char **argv, struct csd_options *options, struct csd_error *err)
{
	int id, rc;

	options_set_defaults(options);
	rc = options_parse_command(argc, argv, options, err);
	if (rc != 0) {
		return rc;
	}
	opterr = 0;
	optind = 2;
	while ((id = getopt_long(argc, argv, "h", g_options, NULL)) != -1) {
		rc = options_parse_option(id, optarg, options, err);
		if (rc != 0) {
			return rc;
		}
	}
	if (optind < argc) {
		csd_fail(err, CSD_USAGE, "csd_bench %s %s", options->command_name, argv[optind]);
		csd_found(err, "an argument that belongs to no option");
		return csd_fix(err, "see csd_bench help");
	}
	return options_check_place(options, err);
}
