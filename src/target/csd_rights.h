/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What a host may do with programs. SPDK decides who connects to a subsystem; this decides who of them may bring code
 * into the drive. The rule for (subsystem, host) counts, else the one for (subsystem, all other hosts), else LOAD.
 */
#ifndef CSD_RIGHTS_H
#define CSD_RIGHTS_H

#include "spdk/stdinc.h"

struct spdk_json_write_ctx;

enum csd_right {
	CSD_RIGHT_LOAD,		/* load, activate, deactivate, unload; and run */
	CSD_RIGHT_RUN,		/* memory range sets, Execute Program, Scan */
};

const char *csd_right_name(enum csd_right right);
/* 0, or -EINVAL. */
int csd_right_parse(const char *name, enum csd_right *right);

/*
 * `host` is "" for all other hosts. Any thread may ask, RPCs write. What is set or removed holds from the next command
 * on, for hosts that are connected too. 0, -ENOMEM, or (removal) -ENOENT.
 */
int csd_rights_set(const char *nqn, const char *host, enum csd_right right);
int csd_rights_remove(const char *nqn, const char *host);

/* Whether the host may load. The first refusal of each rule is logged, for a host can ask as often as it likes. */
bool csd_rights_may_load(const char *nqn, const char *host);

/* The rules as objects of a JSON array, and as the RPCs that set them again. */
void csd_rights_write(struct spdk_json_write_ctx *w);
int csd_rights_write_config(struct spdk_json_write_ctx *w);

#endif
