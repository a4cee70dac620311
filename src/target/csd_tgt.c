/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * SPDK's NVMe-oF target, with namespaces of the command sets SLM and Computational Programs. Options are SPDK's, those
 * of workers (csd_workers.h, csd_faults.h), --programs-policy (csd_policy.h), and --rest-microseconds.
 */
#include "spdk/stdinc.h"
#include "spdk/event.h"
#include "spdk/string.h"

#include <getopt.h>

#include "csd_faults.h"
#include "csd_nvmf.h"
#include "csd_policy.h"
#include "csd_workers.h"

/* No letters, and none of SPDK's numbers. */
#define OPTION_WORKERS		1000
#define OPTION_CPU_MILLISECONDS	1001
#define OPTION_WORKER_CPUS	1002
#define OPTION_CACHE		1003
#define OPTION_POLICY		1004
#define OPTION_FAULTS		1005
#define OPTION_BLOBS		1006
#define OPTION_REST		1007

/*
 * A reactor without work rests for a hundredth of the time that it has had none, and no longer than this: who comes after
 * a pause waits no longer than that (patch 0092 of roles/spdk).
 */
#define REST_MICROSECONDS	1000
#define REST_MICROSECONDS_MOST	10000

static uint64_t g_tgt_rest_microseconds = REST_MICROSECONDS;

static struct option tgt_options[] = {
	{"workers", required_argument, NULL, OPTION_WORKERS},
	{"worker-cpus", required_argument, NULL, OPTION_WORKER_CPUS},
	{"program-cpu-milliseconds", required_argument, NULL, OPTION_CPU_MILLISECONDS},
	{"program-faults", required_argument, NULL, OPTION_FAULTS},
	{"program-cache", required_argument, NULL, OPTION_CACHE},
	{"program-blobs", required_argument, NULL, OPTION_BLOBS},
	{"programs-policy", required_argument, NULL, OPTION_POLICY},
	{"rest-microseconds", required_argument, NULL, OPTION_REST},
	{NULL, 0, NULL, 0},
};

static void
tgt_usage(void)
{
	printf("     --workers <folder>    of csd_worker, csd_spawner and csd_compile (default: that of csd_tgt)\n");
	printf("     --worker-cpus <list>  on which programs run, such as 1,3-5 (default: all that no reactor has)\n");
	printf("     --program-cpu-milliseconds <number>\n"
	       "                           that a command's program may take in a worker (default 10000)\n");
	printf("     --program-faults <number>\n"
	       "                           within a second, that deactivate a slot (default %d, 0: never)\n", CSD_FAULTS_DEFAULT);
	printf("     --program-cache <folder>\n"
	       "                           keep compiled programs there: a folder of this user alone (default: none are kept)\n");
	printf("     --program-blobs <folder>\n"
	       "                           run programs that another machine has compiled, and compile none (up to twice)\n");
	printf("     --programs-policy <isolated|verified>\n"
	       "                           what workers run: all that they can hold, or what is proved (default isolated)\n");
	printf("     --rest-microseconds <number>\n"
	       "                           for which a reactor without work rests at a time, at most (default %d, 0: it spins)\n",
	       REST_MICROSECONDS);
}

static int
tgt_set_rest(const char *text)
{
	long long number = spdk_strtoll(text, 10);

	if (*text == '\0' || number < 0 || number > REST_MICROSECONDS_MOST) {
		fprintf(stderr, "csd_tgt: --rest-microseconds %s: a number from 0 to %d\n", text, REST_MICROSECONDS_MOST);
		return -EINVAL;
	}
	g_tgt_rest_microseconds = (uint64_t)number;
	return 0;
}

static int
tgt_parse_argument(int option, char *argument)
{
	switch (option) {
	case OPTION_WORKERS:
		return csd_workers_configure(argument);
	case OPTION_WORKER_CPUS:
		return csd_workers_set_cpus(argument);
	case OPTION_CPU_MILLISECONDS:
		return csd_workers_set_cpu_milliseconds(argument);
	case OPTION_FAULTS:
		return csd_faults_set_limit(argument);
	case OPTION_CACHE:
		return csd_workers_set_cache(argument);
	case OPTION_BLOBS:
		return csd_workers_set_blobs(argument);
	case OPTION_POLICY:
		return csd_policy_configure(argument);
	case OPTION_REST:
		return tgt_set_rest(argument);
	default:
		return -EINVAL;
	}
}

static void
tgt_started(void *ctx)
{
	(void)ctx;
}

int
main(int argc, char **argv)
{
	struct spdk_app_opts options = {};
	int rc;

	spdk_app_opts_init(&options);
	options.name = "csd_tgt";
	/*
	 * Hugepages without files: a user needs no right on hugetlbfs, and no other process can open them. No telemetry: a
	 * socket in /tmp that anybody could have left there before.
	 */
	options.env_context = "--in-memory --no-telemetry";
	rc = spdk_app_parse_args(argc, argv, &options, "", tgt_options, tgt_parse_argument, tgt_usage);
	if (rc != SPDK_APP_PARSE_ARGS_SUCCESS) {
		return rc == SPDK_APP_PARSE_ARGS_HELP ? 0 : 1;
	}
	if (csd_workers_check() != 0) {
		return 1;
	}
	options.max_delay_us = g_tgt_rest_microseconds;
	csd_nvmf_register();
	rc = spdk_app_start(&options, tgt_started, NULL);
	spdk_app_fini();
	return rc != 0;
}
