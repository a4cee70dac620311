/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE
#include "csd_environment.h"

#include <glob.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <spdk/stdinc.h>
#include <spdk/env.h>
#include <spdk/log.h>

static void
environment_keep_quiet(int level, const char *file, const int line, const char *func, const char *format, va_list args)
{
	(void)level;
	(void)file;
	(void)line;
	(void)func;
	(void)format;
	(void)args;
}

/* The last CPU that this process may use: a target's reactor usually spins on the first ones. */
static int
environment_choose_core(int asked)
{
	cpu_set_t allowed;
	int cpu;

	if (asked >= 0 || sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
		return asked >= 0 ? asked : 0;
	}
	for (cpu = CPU_SETSIZE - 1; cpu > 0; cpu--) {
		if (CPU_ISSET(cpu, &allowed)) {
			break;
		}
	}
	return cpu;
}

static unsigned long
environment_free_huge_megabytes(void)
{
	unsigned long total = 0;
	glob_t found;
	size_t i;

	if (glob("/sys/kernel/mm/hugepages/hugepages-*kB/free_hugepages", 0, NULL, &found) != 0) {
		return 0;
	}
	for (i = 0; i < found.gl_pathc; i++) {
		unsigned long kb = 0, pages = 0;
		FILE *file = fopen(found.gl_pathv[i], "r");

		if (file != NULL && fscanf(file, "%lu", &pages) == 1 &&
		    sscanf(found.gl_pathv[i], "/sys/kernel/mm/hugepages/hugepages-%lukB", &kb) == 1) {
			total += kb * pages / 1024;
		}
		if (file != NULL) {
			fclose(file);
		}
	}
	globfree(&found);
	return total;
}

/* DPDK prints to both streams while it starts; what it says is kept for the case that it fails. */
static int
environment_init_quietly(struct spdk_env_opts *opts, char *said, size_t size)
{
	int kept = memfd_create("dpdk", MFD_CLOEXEC);
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
	ssize_t got = -1;
	size_t i;
	int rc;

	if (kept >= 0) {
		dup2(kept, STDOUT_FILENO);
		dup2(kept, STDERR_FILENO);
	}
	rc = spdk_env_init(opts);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	if (kept >= 0) {
		off_t length = lseek(kept, 0, SEEK_END);
		off_t skip = length > (off_t)size - 1 ? length - ((off_t)size - 1) : 0;

		got = pread(kept, said, size - 1, skip);
		close(kept);
	}
	said[got > 0 ? got : 0] = '\0';
	for (i = 0; said[i] != '\0'; i++) {
		if (said[i] == '\n') {
			said[i] = said[i + 1] == '\0' ? '\0' : ';';
		}
	}
	return rc;
}

int
csd_environment_start(const char *name, const struct csd_place *place, struct csd_error *err)
{
	unsigned long free_megabytes = environment_free_huge_megabytes();
	struct spdk_env_opts opts;
	char cores[32], said[600];

	if (free_megabytes < place->memory_mb) {
		csd_fail(err, CSD_UNAVAILABLE, "%u MiB of huge pages for SPDK's initiator", place->memory_mb);
		csd_found(err, "%lu MiB are free", free_megabytes);
		return csd_fix(err, "reserve more (role hugepages; a target beside it needs its own), or ask for less memory");
	}
	snprintf(cores, sizeof(cores), "[%d]", environment_choose_core(place->core));
	spdk_env_opts_init(&opts);
	opts.name = name;
	opts.core_mask = cores;
	opts.shm_id = -1;		/* no files shared with other SPDK processes */
	opts.mem_size = (int)place->memory_mb;
	opts.no_pci = true;
	opts.unlink_hugepage = true;	/* killed, it leaves no page behind */
	opts.iova_mode = "va";		/* TCP needs no physical addresses */
	spdk_log_open(environment_keep_quiet);
	if (environment_init_quietly(&opts, said, sizeof(said)) != 0) {
		csd_fail(err, CSD_UNAVAILABLE, "SPDK's environment with %u MiB of huge pages on core %s",
			 place->memory_mb, cores);
		csd_found(err, "%s", said);
		return csd_fix(err, "run as root, and see that the huge pages and the core are there");
	}
	return 0;
}
