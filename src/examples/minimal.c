/*   SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
 */

/* Loads the tracepoint program, calls what it waits for, and says where its lines are. */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "minimal.skel.h"

#define TRACE_PIPE "/sys/kernel/tracing/trace_pipe"
/* How far the kernel shifts a device's major number; struct stat packs it another way. */
#define KERNEL_MINOR_BITS 20

struct options {
	unsigned long count;
	const char *token;
};

static void
minimal_usage(FILE *to)
{
	fprintf(to, "Usage: minimal [-n COUNT] [-t TOKEN]\n"
		"Prints a line from inside the kernel for each of its own getppid() calls.\n"
		"  -n, --count COUNT   make that many calls (default 1)\n"
		"  -t, --token TOKEN   up to 31 characters to know the lines by (default '-')\n"
		"The lines are read with: cat " TRACE_PIPE "\n");
}

static int
minimal_parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"count", required_argument, NULL, 'n'},
		{"token", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{}
	};
	char *end;
	int option;

	while ((option = getopt_long(argc, argv, "n:t:h", names, NULL)) != -1) {
		switch (option) {
		case 'n':
			errno = 0;
			options->count = strtoul(optarg, &end, 10);
			if (errno || *end || end == optarg || *optarg == '-' || !options->count) {
				fprintf(stderr, "minimal: --count needs a number above 0, not '%s'\n",
					optarg);
				return -EINVAL;
			}
			break;
		case 't':
			options->token = optarg;
			break;
		case 'h':
			minimal_usage(stdout);
			exit(0);
		default:
			minimal_usage(stderr);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "minimal: unexpected argument '%s'\n", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

static int
minimal_set_constants(struct minimal *skeleton, const struct options *options)
{
	struct stat pidns;

	if (strlen(options->token) >= sizeof(skeleton->rodata->token)) {
		fprintf(stderr, "minimal: --token is longer than %zu characters\n",
			sizeof(skeleton->rodata->token) - 1);
		return -EINVAL;
	}
	if (stat("/proc/self/ns/pid", &pidns)) {
		fprintf(stderr, "minimal: /proc/self/ns/pid: %s\n", strerror(errno));
		return -errno;
	}
	skeleton->rodata->pidns_dev =
		((__u64)major(pidns.st_dev) << KERNEL_MINOR_BITS) | minor(pidns.st_dev);
	skeleton->rodata->pidns_ino = pidns.st_ino;
	skeleton->rodata->own_pid = getpid();
	memcpy((char *)skeleton->rodata->token, options->token, strlen(options->token));
	return 0;
}

static int
minimal_say_hello(const struct options *options)
{
	struct minimal *skeleton;
	int rc;

	skeleton = minimal__open();
	if (!skeleton) {
		fprintf(stderr, "minimal: cannot open the eBPF program: %s\n", strerror(errno));
		return -errno;
	}
	rc = minimal_set_constants(skeleton, options);
	if (rc) {
		goto out;
	}
	rc = minimal__load(skeleton);
	if (rc) {
		fprintf(stderr, "minimal: the kernel does not load the eBPF program: %s\n", strerror(-rc));
		goto out;
	}
	rc = minimal__attach(skeleton);
	if (rc) {
		fprintf(stderr, "minimal: cannot attach to the getppid tracepoint (is tracefs mounted on "
			"/sys/kernel/tracing?): %s\n", strerror(-rc));
		goto out;
	}

	for (unsigned long i = 0; i < options->count; i++) {
		getppid();
	}

	printf("pid %d, token %s: the kernel saw %llu of %lu calls; its lines are in %s\n",
	       getpid(), options->token, skeleton->bss->hits, options->count, TRACE_PIPE);
	rc = skeleton->bss->hits == options->count ? 0 : -EIO;
out:
	minimal__destroy(skeleton);
	return rc;
}

int
main(int argc, char **argv)
{
	struct options options = { .count = 1, .token = "-" };

	if (minimal_parse_options(argc, argv, &options)) {
		return 2;
	}
	return minimal_say_hello(&options) ? 1 : 0;
}
