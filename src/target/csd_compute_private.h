/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A compute namespace from within. */
#ifndef CSD_COMPUTE_PRIVATE_H
#define CSD_COMPUTE_PRIVATE_H

#include "csd_channel.h"
#include "csd_compute.h"
#include "csd_ranges.h"
#include "csd_slots.h"
#include "csd_verifier.h"

struct csd_compute {
	struct csd_namespace ns;
	struct csd_compute_options options;
	struct csd_slots slots;
	struct csd_range_sets sets;
	/* Work under way that needs the namespace and is nobody's command: verifications, purges; and its being a bdev. */
	uint32_t references;
	struct spdk_thread *thread;	/* that wants it gone */
	bool going;
};

/* NULL: there is no compute namespace of this name. */
struct csd_compute *csd_compute_by_name(const char *name);
/* All of them: NULL begins, NULL ends. */
struct csd_compute *csd_compute_next(struct csd_compute *previous);

/* The end of a load: 0, or -1 with the refusal. On the thread that began it. */
typedef void (*csd_load_done)(void *ctx, int rc, const struct csd_refusal *refusal);

/* Who loads. */
struct csd_load_asker {
	const char *host_nqn;		/* "": an administrator, by RPC */
	/* Whether it still waits for the answer; on the thread that began the load. NULL: always. */
	bool (*wanted)(void *ctx);
	csd_load_done done;
	void *ctx;
};

/*
 * One piece of a program, and after the last one its verification. 1: `done` will be called. 0: more pieces are to come.
 * -1: refused. Any refusal is logged.
 */
int csd_compute_load(struct csd_compute *compute, const struct csd_chunk *chunk, const struct csd_load_asker *asker,
		     struct csd_refusal *refusal);

enum csd_change {
	CSD_UNLOAD,
	CSD_ACTIVATE,
	CSD_DEACTIVATE,
	CSD_DRAIN,
};

int csd_compute_change(struct csd_compute *compute, enum csd_change change, uint16_t pind,
		       struct csd_refusal *refusal);

/* The parts of csd_namespace_ops that have files of their own. */
int csd_compute_admin(struct csd_namespace *ns, struct spdk_nvmf_request *req);
void *csd_compute_log_page(struct csd_namespace *ns, uint8_t lid, uint16_t specific, size_t *length);
void csd_compute_write_info(struct csd_namespace *ns, struct spdk_json_write_ctx *w);
void csd_compute_write_config(struct csd_namespace *ns, struct spdk_json_write_ctx *w);

/*
 * I/O commands: Execute Program and Scan. Each checks its command's fields, and acquires and sets what the run needs. 0, or -1 with
 * the refusal; the caller discards the run then.
 */
int csd_execute_prepare(struct csd_compute *compute, struct csd_run *run, struct csd_refusal *refusal);
int csd_scan_prepare(struct csd_compute *compute, struct csd_run *run, struct csd_refusal *refusal);

#endif
