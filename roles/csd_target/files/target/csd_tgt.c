/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* SPDK's NVMe-oF target, with namespaces of the command sets SLM and Computational Programs. Options are SPDK's. */
#include "spdk/stdinc.h"
#include "spdk/event.h"

#include "csd_nvmf.h"

static void
usage(void)
{
}

static int
parse_argument(int option, char *argument)
{
	(void)option;
	(void)argument;
	return -EINVAL;
}

static void
started(void *ctx)
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
	rc = spdk_app_parse_args(argc, argv, &options, "", NULL, parse_argument, usage);
	if (rc != SPDK_APP_PARSE_ARGS_SUCCESS) {
		return rc == SPDK_APP_PARSE_ARGS_HELP ? 0 : 1;
	}
	csd_nvmf_register();
	rc = spdk_app_start(&options, started, NULL);
	spdk_app_fini();
	return rc != 0;
}
