/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_worker_confine.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define ALLOW(name)	{SYS_##name, SECCOMP_RET_ALLOW, CSD_CONFINE_ALWAYS, 0, 0}

/* Waiting means FUTEX_WAIT, which is 0, on memory that is shared: no bit of the operation is set. */
static const struct csd_confine_call worker_confine_calls[] = {
	{SYS_futex, SECCOMP_RET_ALLOW, CSD_CONFINE_EQUAL, 1, 0},
	ALLOW(sched_yield),
	ALLOW(clock_gettime),		/* where the vDSO has no clock of its own */
	ALLOW(exit_group),
};

int
csd_worker_confine(struct csd_confined *confined, const char **what)
{
	const struct csd_confine_calls calls = {
		.calls = worker_confine_calls, .count = sizeof(worker_confine_calls) / sizeof(worker_confine_calls[0]),
		.otherwise = SECCOMP_RET_KILL_PROCESS,
	};
	int rc;

	*what = "undumpable";
	if (prctl(PR_SET_DUMPABLE, 0) != 0) {
		return -errno;
	}
	*what = "privileges";
	rc = csd_confine_privileges(confined);
	if (rc != 0) {
		return rc;
	}
	*what = "files";
	rc = csd_confine_files(confined, NULL, 0);
	if (rc != 0 && rc != -EOPNOTSUPP) {
		return rc;
	}
	*what = "descriptors";
	rc = csd_confine_descriptors(confined, 0);
	if (rc != 0) {
		return rc;
	}
	*what = "calls";
	return csd_confine_calls(confined, &calls);
}
