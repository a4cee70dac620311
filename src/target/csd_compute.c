/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_compute_private.h"
#include "csd_notice.h"

#include "spdk/thread.h"
#include "spdk/util.h"

static const struct csd_namespace_ops g_ops;

void
csd_compute_default_options(struct csd_compute_options *options)
{
	*options = (struct csd_compute_options) {
		.slots = 16,
		.max_range_sets = 16,
		.max_program_bytes = 64 * 1024,
		.max_total_bytes = 1024 * 1024,
		.program_type = CSD_PROGRAM_TYPE_EBPF,
	};
}

static struct csd_compute *
compute_of(struct csd_namespace *ns)
{
	return SPDK_CONTAINEROF(ns, struct csd_compute, ns);
}

struct csd_compute *
csd_compute_by_name(const char *name)
{
	struct csd_namespace *ns = csd_namespace_by_name(name);

	return ns != NULL && ns->ops == &g_ops ? compute_of(ns) : NULL;
}

struct csd_compute *
csd_compute_next(struct csd_compute *previous)
{
	struct csd_namespace *ns = previous == NULL ? NULL : &previous->ns;

	while ((ns = csd_namespace_next(ns)) != NULL) {
		if (ns->ops == &g_ops) {
			return compute_of(ns);
		}
	}
	return NULL;
}

/* ---- life ---- */

static void
compute_freed(void *ctx)
{
	struct csd_compute *compute = ctx;

	csd_slots_fini(&compute->slots);
	csd_range_sets_fini(&compute->sets);
	spdk_bdev_destruct_done(&compute->ns.bdev, 0);
	free(compute);
}

static void
compute_end(void *ctx)
{
	csd_channels_fini(ctx, compute_freed);
}

/* Work may end on any thread, but a bdev's end is told to the thread that asked for it. */
static void
compute_release(void *ctx)
{
	struct csd_compute *compute = ctx;

	if (__atomic_sub_fetch(&compute->references, 1, __ATOMIC_ACQ_REL) == 0) {
		spdk_thread_send_msg(compute->thread, compute_end, compute);
	}
}

static void
compute_hold(struct csd_compute *compute)
{
	__atomic_fetch_add(&compute->references, 1, __ATOMIC_RELAXED);
}

static int
compute_destruct(struct csd_namespace *ns)
{
	compute_of(ns)->thread = spdk_get_thread();
	__atomic_store_n(&compute_of(ns)->going, true, __ATOMIC_RELAXED);
	compute_release(compute_of(ns));
	return 1;
}

int
csd_compute_create(const char *name, const struct csd_compute_options *options, const struct spdk_uuid *uuid)
{
	struct csd_compute *compute = calloc(1, sizeof(*compute));
	int rc;

	if (compute == NULL) {
		return -ENOMEM;
	}
	compute->ns.ops = &g_ops;
	compute->references = 1;
	compute->options = *options;
	if (compute->options.max_active == 0) {
		compute->options.max_active = compute->options.slots;
	}
	rc = csd_slots_init(&compute->slots, &compute->options);
	if (rc != 0) {
		goto free_compute;
	}
	rc = csd_range_sets_init(&compute->sets, options->max_range_sets);
	if (rc != 0) {
		goto free_slots;
	}
	csd_channels_init(compute);
	rc = csd_namespace_register(&compute->ns, name, "CSD compute", uuid);
	if (rc == 0) {
		return 0;
	}
	csd_channels_fini(compute, NULL);
	csd_range_sets_fini(&compute->sets);
free_slots:
	csd_slots_fini(&compute->slots);
free_compute:
	free(compute);
	return rc;
}

/* ---- programs ---- */

struct load {
	struct csd_compute *compute;
	struct csd_load_asker asker;
};

/* Instances of a program that a slot let go of. */
static void
compute_purge(struct csd_compute *compute)
{
	compute_hold(compute);
	csd_channels_purge(compute, compute_release);
}

static int
compute_logged(struct csd_compute *compute, int rc, const struct csd_refusal *refusal)
{
	if (rc < 0) {
		CSD_NOTICE("%s: %s\n", compute->ns.name, refusal->why);
	}
	return rc;
}

static bool
compute_wanted(void *ctx)
{
	const struct load *load = ctx;

	return !__atomic_load_n(&load->compute->going, __ATOMIC_RELAXED) &&
	       (load->asker.wanted == NULL || load->asker.wanted(load->asker.ctx));
}

static void
compute_verified(void *ctx, uint16_t pind, struct csd_loaded *loaded, const char *reason)
{
	struct load *load = ctx;
	struct csd_compute *compute = load->compute;
	struct csd_refusal refusal;
	int rc;

	/* Its slot may let go of it from then on. */
	if (loaded != NULL) {
		CSD_NOTICE_OF(CSD_NOTICE_VERDICTS, "%s: slot %u: program loaded: %s%s%s\n", compute->ns.name, pind,
			      csd_proof_name(loaded->proof.kind), loaded->proof.words[0] != '\0' ? ": " : "", loaded->proof.words);
	}
	rc = loaded == NULL && reason == NULL ? csd_slots_dropped(&compute->slots, pind, &refusal) :
	     csd_slots_verified(&compute->slots, pind, loaded, reason, &refusal);
	if (rc < 0) {
		CSD_NOTICE_OF(CSD_NOTICE_PROGRAMS, "%s: %s\n", compute->ns.name, refusal.why);
	}
	load->asker.done(load->asker.ctx, rc, &refusal);
	free(load);
	compute_release(compute);
}

static int
compute_verify(struct csd_compute *compute, const struct csd_verification *verification,
	       const struct csd_load_asker *asker, struct csd_refusal *refusal)
{
	struct load *load = calloc(1, sizeof(*load));
	const struct csd_verifier_asker verifier_asker = {
		.host_nqn = asker->host_nqn, .wanted = compute_wanted, .verified = compute_verified, .ctx = load,
	};
	int rc = load == NULL ? -ENOMEM : 0;

	if (rc == 0) {
		load->compute = compute;
		load->asker = *asker;
		compute_hold(compute);
		rc = csd_verifier_submit(verification, &verifier_asker);
		if (rc == 0) {
			return 1;
		}
		compute_release(compute);
		free(load);
	}
	free(verification->bytes);
	return csd_slots_verified(&compute->slots, verification->pind, NULL, strerror(-rc), refusal);
}

int
csd_compute_load(struct csd_compute *compute, const struct csd_chunk *chunk, const struct csd_load_asker *asker,
		 struct csd_refusal *refusal)
{
	struct csd_verification verification;
	int rc = csd_slots_load(&compute->slots, chunk, &verification, refusal);

	if (rc == 1) {
		rc = compute_verify(compute, &verification, asker, refusal);
	}
	return compute_logged(compute, rc, refusal);
}

void
csd_compute_controller_gone(struct spdk_nvmf_ctrlr *ctrlr)
{
	struct csd_compute *compute;

	for (compute = csd_compute_next(NULL); compute != NULL; compute = csd_compute_next(compute)) {
		csd_slots_forget(&compute->slots, ctrlr);
		csd_range_sets_forget(&compute->sets, ctrlr);
	}
}

int
csd_compute_change(struct csd_compute *compute, enum csd_change change, uint16_t pind, struct csd_refusal *refusal)
{
	int rc = -1;

	switch (change) {
	case CSD_UNLOAD:
		rc = csd_slots_unload(&compute->slots, pind, refusal);
		if (rc == 0) {
			compute_purge(compute);
		}
		break;
	case CSD_ACTIVATE:
		rc = csd_slots_activate(&compute->slots, pind, refusal);
		break;
	case CSD_DEACTIVATE:
		rc = csd_slots_deactivate(&compute->slots, pind, refusal);
		break;
	case CSD_DRAIN:
		rc = csd_slots_drain(&compute->slots, pind, refusal);
		break;
	}
	return compute_logged(compute, rc, refusal);
}

/* ---- as a namespace ---- */

static void
compute_identify_namespace(struct csd_namespace *ns, void *data)
{
	const struct csd_compute_options *options = &compute_of(ns)->options;
	struct nvme_compute_namespace *identify = data;

	identify->maxact = options->max_active;
	identify->maxmemrs = options->max_range_sets;
	identify->mrsg = 2;	/* CSD_SLM_GRANULARITY */
	identify->maxmemr = NVME_CSD_MAX_RANGES;
	identify->maxpb = options->max_total_bytes >> 20;
	identify->lpg = 0;
}

static void
compute_identify_controller(struct csd_namespace *ns, void *data)
{
	(void)ns;
	(void)data;
}

/* A command that runs a program. */
static int
compute_run(struct csd_compute *compute, struct spdk_nvmf_request *req,
	    int (*prepare)(struct csd_compute *compute, struct csd_run *run, struct csd_refusal *refusal))
{
	struct csd_run *run = csd_run_create(req);
	struct csd_refusal refusal;

	if (run == NULL) {
		return csd_complete(req, SPDK_NVME_SCT_COMMAND_SPECIFIC, NVME_SC_INSUFFICIENT_PROGRAM_RESOURCES);
	}
	run->slots = &compute->slots;
	run->sets = &compute->sets;
	if (prepare(compute, run, &refusal)) {
		csd_run_discard(run);
		return csd_complete(req, refusal.status_code_type, refusal.status_code);
	}
	if (csd_channel_submit(compute, run) != 0) {
		csd_run_discard(run);
		return csd_complete(req, SPDK_NVME_SCT_COMMAND_SPECIFIC, NVME_SC_INSUFFICIENT_PROGRAM_RESOURCES);
	}
	return SPDK_NVMF_REQUEST_EXEC_STATUS_ASYNCHRONOUS;
}

static int
compute_io(struct csd_namespace *ns, struct spdk_nvmf_request *req)
{
	switch (spdk_nvmf_request_get_cmd(req)->opc) {
	case NVME_FLUSH:
		return csd_complete_value(req, 0);	/* nothing is cached */
	case NVME_EXECUTE_PROGRAM:
		return compute_run(compute_of(ns), req, csd_execute_prepare);
	case CSD_SCAN:
		return compute_run(compute_of(ns), req, csd_scan_prepare);
	default:
		return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_OPCODE);
	}
}

static bool
compute_abort_io(struct csd_namespace *ns, struct spdk_nvmf_request *req_to_abort)
{
	return csd_channel_abort(compute_of(ns), req_to_abort);
}

static struct spdk_io_channel *
compute_get_io_channel(struct csd_namespace *ns)
{
	return csd_channel_get(compute_of(ns));
}

static const struct csd_namespace_ops g_ops = {
	.csi = NVME_CSI_COMPUTE,
	.identify_namespace = compute_identify_namespace,
	.identify_controller = compute_identify_controller,
	.admin = csd_compute_admin,
	.io = compute_io,
	.log_page = csd_compute_log_page,
	.abort = compute_abort_io,
	.destruct = compute_destruct,
	.get_io_channel = compute_get_io_channel,
	.write_info = csd_compute_write_info,
	.write_config = csd_compute_write_config,
};
