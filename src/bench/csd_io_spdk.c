/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A namespace of an NVMe/TCP target, through SPDK's user-space initiator: one controller, one I/O queue pair. */
#include "csd_environment.h"
#include "csd_io.h"
#include "csd_probe.h"
#include "csd_stream.h"

#include <sched.h>

#include <spdk/stdinc.h>
#include <spdk/env.h>
#include <spdk/log.h>
#include <spdk/nvme.h>
#include <spdk/uuid.h>

#define MAX_TAGS		(2 * CSD_MAX_DEPTH)
#define KEEP_ALIVE_MS		60000	/* a large data set is hashed for seconds between two polls */
#define POLLS_PER_ADMIN_POLL	65536

struct tag {
	struct spdk_io *io;
	uint32_t number;
};

struct spdk_io {
	struct csd_io base;
	struct spdk_nvme_ctrlr *ctrlr;
	struct spdk_nvme_ns *ns;
	struct spdk_nvme_qpair *qpair;
	uint32_t polls;
	struct tag tags[MAX_TAGS];
};

static void *
io_spdk_alloc(struct csd_io *io, size_t bytes)
{
	(void)io;
	return spdk_dma_zmalloc(bytes, 4096, NULL);
}

static void
io_spdk_free(struct csd_io *io, void *memory)
{
	(void)io;
	spdk_dma_free(memory);
}

static void
io_spdk_transfer_done(void *ctx, const struct spdk_nvme_cpl *cpl)
{
	struct tag *tag = ctx;
	struct csd_io *base = &tag->io->base;

	base->done(base->done_ctx, tag->number, spdk_nvme_cpl_is_error(cpl) ? -EIO : 0);
}

static int
io_spdk_submit(struct csd_io *base, bool write, void *buffer, uint64_t offset, uint32_t bytes, uint32_t tag)
{
	struct spdk_io *io = (struct spdk_io *)base;
	uint64_t lba = offset / base->block_bytes;
	uint32_t blocks = bytes / base->block_bytes;
	int rc;

	if (write) {
		rc = spdk_nvme_ns_cmd_write(io->ns, io->qpair, buffer, lba, blocks, io_spdk_transfer_done,
					    &io->tags[tag], 0);
	} else {
		rc = spdk_nvme_ns_cmd_read(io->ns, io->qpair, buffer, lba, blocks, io_spdk_transfer_done,
					   &io->tags[tag], 0);
	}
	return rc == -ENOMEM ? -EAGAIN : rc;
}

static void
io_spdk_fill_command(struct spdk_nvme_cmd *cmd, const struct csd_nvme_command *command)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->opc = command->opcode;
	cmd->nsid = command->nsid;
	cmd->rsvd2 = command->dw2;
	cmd->rsvd3 = command->dw3;
	cmd->cdw10 = command->dw10;
	cmd->cdw11 = command->dw11;
	cmd->cdw12 = command->dw12;
	cmd->cdw13 = command->dw13;
	cmd->cdw14 = command->dw14;
	cmd->cdw15 = command->dw15;
}

static void
io_spdk_keep_completion(struct csd_io *base, const struct spdk_nvme_cpl *cpl)
{
	base->completion.status = (uint16_t)(cpl->status.sct << 8 | cpl->status.sc);
	base->completion.value = (uint64_t)cpl->rsvd1 << 32 | cpl->cdw0;
}

static void
io_spdk_command_done(void *ctx, const struct spdk_nvme_cpl *cpl)
{
	struct tag *tag = ctx;
	struct csd_io *base = &tag->io->base;

	io_spdk_keep_completion(base, cpl);
	base->done(base->done_ctx, tag->number, spdk_nvme_cpl_is_error(cpl) ? -EIO : 0);
}

static int
io_spdk_command(struct csd_io *base, const struct csd_nvme_command *command, uint32_t tag)
{
	struct spdk_io *io = (struct spdk_io *)base;
	struct spdk_nvme_cmd cmd;
	int rc;

	io_spdk_fill_command(&cmd, command);
	rc = spdk_nvme_ctrlr_cmd_io_raw(io->ctrlr, io->qpair, &cmd, command->data, command->bytes, io_spdk_command_done,
					&io->tags[tag]);
	return rc == -ENOMEM ? -EAGAIN : rc;
}

struct admin_wait {
	struct csd_io *base;
	bool done;
};

static void
io_spdk_admin_done(void *ctx, const struct spdk_nvme_cpl *cpl)
{
	struct admin_wait *wait = ctx;

	io_spdk_keep_completion(wait->base, cpl);
	wait->done = true;
}

static int
io_spdk_admin(struct csd_io *base, const struct csd_nvme_command *command)
{
	struct spdk_io *io = (struct spdk_io *)base;
	struct admin_wait wait = { base, false };
	struct spdk_nvme_cmd cmd;
	int rc;

	io_spdk_fill_command(&cmd, command);
	rc = spdk_nvme_ctrlr_cmd_admin_raw(io->ctrlr, &cmd, command->data, command->bytes, io_spdk_admin_done, &wait);
	while (rc == 0 && !wait.done) {
		rc = spdk_nvme_ctrlr_process_admin_completions(io->ctrlr) < 0 ? -ENOTCONN : 0;
	}
	return rc == 0 && base->completion.status != 0 ? -EIO : rc;
}

static int
io_spdk_poll(struct csd_io *base, bool wait)
{
	struct spdk_io *io = (struct spdk_io *)base;
	int32_t done;

	if (++io->polls % POLLS_PER_ADMIN_POLL == 0 && spdk_nvme_ctrlr_process_admin_completions(io->ctrlr) < 0) {
		return -ENOTCONN;
	}
	done = spdk_nvme_qpair_process_completions(io->qpair, 0);
	if (done == 0 && wait) {
		sched_yield();	/* polling is the point of this initiator; on few CPUs, the drive's own work may be waiting for this one */
	}
	return done < 0 ? -ENOTCONN : 0;
}

static void
io_spdk_close(struct csd_io *base)
{
	struct spdk_io *io = (struct spdk_io *)base;

	if (io->qpair != NULL) {
		spdk_nvme_ctrlr_free_io_qpair(io->qpair);
	}
	if (io->ctrlr != NULL) {
		spdk_nvme_detach(io->ctrlr);
	}
	free(io);
	spdk_env_fini();
}

static const struct csd_io_ops g_spdk_ops = {
	.alloc = io_spdk_alloc,
	.free = io_spdk_free,
	.submit = io_spdk_submit,
	.poll = io_spdk_poll,
	.command = io_spdk_command,
	.admin = io_spdk_admin,
	.close = io_spdk_close,
};

static int
io_spdk_connect_controller(struct spdk_io *io, const struct csd_place *place, struct csd_error *err)
{
	struct spdk_nvme_transport_id trid = { 0 };
	struct spdk_nvme_ctrlr_opts opts;

	spdk_nvme_trid_populate_transport(&trid, SPDK_NVME_TRANSPORT_TCP);
	trid.adrfam = strchr(place->traddr, ':') != NULL ? SPDK_NVMF_ADRFAM_IPV6 : SPDK_NVMF_ADRFAM_IPV4;
	snprintf(trid.traddr, sizeof(trid.traddr), "%s", place->traddr);
	snprintf(trid.trsvcid, sizeof(trid.trsvcid), "%s", place->trsvcid);
	snprintf(trid.subnqn, sizeof(trid.subnqn), "%s", place->subnqn);
	spdk_nvme_ctrlr_get_default_ctrlr_opts(&opts, sizeof(opts));
	snprintf(opts.hostnqn, sizeof(opts.hostnqn), "%s", place->hostnqn);
	opts.keep_alive_timeout_ms = KEEP_ALIVE_MS;
	opts.num_io_queues = 1;
	io->ctrlr = spdk_nvme_connect(&trid, &opts, sizeof(opts));
	return io->ctrlr != NULL ? 0 : csd_probe_explain(place, err);
}

static int
io_spdk_check_namespace(struct spdk_io *io, const struct csd_place *place, struct csd_error *err)
{
	const struct spdk_uuid *found;
	char uuid[SPDK_UUID_STRING_LEN] = "none";

	io->ns = spdk_nvme_ctrlr_get_ns(io->ctrlr, place->nsid);
	if (io->ns == NULL || !spdk_nvme_ns_is_active(io->ns)) {
		csd_fail(err, CSD_UNAVAILABLE, "namespace %u of %s", place->nsid, place->subnqn);
		csd_found(err, "the subsystem has no active namespace with this id");
		return csd_fix(err, "correct the namespace id, or declare the namespace at the target");
	}
	found = spdk_nvme_ns_get_uuid(io->ns);
	if (found != NULL) {
		spdk_uuid_fmt_lower(uuid, sizeof(uuid), found);
	}
	if (place->uuid != NULL && strcasecmp(uuid, place->uuid) != 0) {
		csd_fail(err, CSD_REFUSED, "namespace %u of %s with UUID %s", place->nsid, place->subnqn, place->uuid);
		csd_found(err, "its UUID is %s", uuid);
		return csd_fix(err, "correct the UUID or the namespace id: this may be somebody else's data");
	}
	io->base.bytes = spdk_nvme_ns_get_size(io->ns);
	io->base.block_bytes = spdk_nvme_ns_get_sector_size(io->ns);
	io->base.transfer_bytes = spdk_nvme_ctrlr_get_max_xfer_size(io->ctrlr);
	return 0;
}

/* A transfer above the controller's limit takes one request for each part, and one for the whole. */
static int
io_spdk_make_queue(struct spdk_io *io, uint32_t max_depth, uint32_t io_bytes, struct csd_error *err)
{
	struct spdk_nvme_io_qpair_opts opts;
	uint32_t parts = io_bytes / spdk_nvme_ns_get_max_io_xfer_size(io->ns) + 2;

	spdk_nvme_ctrlr_get_default_io_qpair_opts(io->ctrlr, &opts, sizeof(opts));
	if (opts.io_queue_requests < max_depth * parts) {
		opts.io_queue_requests = max_depth * parts;
	}
	io->qpair = spdk_nvme_ctrlr_alloc_io_qpair(io->ctrlr, &opts, sizeof(opts));
	if (io->qpair == NULL) {
		csd_fail(err, CSD_UNAVAILABLE, "an I/O queue pair of %s", io->base.name);
		csd_found(err, "the target gave none");
		return csd_fix(err, "raise the transport's queue pairs per controller, or its queue depth limits");
	}
	return 0;
}

struct csd_io *
csd_io_open_spdk(const struct csd_place *place, uint32_t max_depth, uint32_t io_bytes, struct csd_error *err)
{
	struct spdk_io *io;
	uint32_t i;

	if (csd_probe_reach(place, err) != 0 || csd_environment_start("csd_bench", place, err) != 0) {
		return NULL;
	}
	io = calloc(1, sizeof(*io));
	if (io == NULL) {
		csd_fail(err, CSD_UNAVAILABLE, "memory for a connection");
		csd_found(err, "none left");
		csd_fix(err, "free some");
		spdk_env_fini();
		return NULL;
	}
	io->base.ops = &g_spdk_ops;
	snprintf(io->base.name, sizeof(io->base.name), "namespace %u of %s at %s port %s", place->nsid, place->subnqn,
		 place->traddr, place->trsvcid);
	for (i = 0; i < MAX_TAGS; i++) {
		io->tags[i] = (struct tag){ io, i };
	}
	if (io_spdk_connect_controller(io, place, err) == 0 && io_spdk_check_namespace(io, place, err) == 0 &&
	    io_spdk_make_queue(io, max_depth, io_bytes, err) == 0) {
		return &io->base;
	}
	io_spdk_close(&io->base);
	return NULL;
}
