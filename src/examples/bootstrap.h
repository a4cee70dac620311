/*   SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
 */

/* What the two halves of bootstrap tell each other. */

#ifndef BOOTSTRAP_H
#define BOOTSTRAP_H

#define COMM_LEN 16
#define FILENAME_LEN 128

enum event_kind {
	EVENT_EXEC,
	EVENT_EXIT,
};

struct event {
	/* CLOCK_BOOTTIME */
	unsigned long long when_ns;
	/* From exec to exit; 0 where the exec was not seen. */
	unsigned long long duration_ns;
	enum event_kind kind;
	int pid;
	int parent_pid;
	/* As wait(2) gives it: exit code and signal. */
	int exit_status;
	char comm[COMM_LEN];
	char filename[FILENAME_LEN];
};

#endif /* BOOTSTRAP_H */
