/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Admin commands of a compute namespace: Load Program, Program Activation, Memory Range Set Management. */
#include "csd_compute_private.h"
#include "csd_notice.h"
#include "csd_rights.h"

#include "spdk/nvmf.h"
#include "spdk/util.h"

enum {
	SELECT_LOAD = 0,
	SELECT_UNLOAD = 1,
	SELECT_DEACTIVATE = 0,
	SELECT_ACTIVATE = 1,
	SELECT_CREATE = 0,
	SELECT_DELETE = 1,
};

static int
compute_admin_complete_refused(struct spdk_nvmf_request *req, const struct csd_refusal *refusal)
{
	return csd_complete(req, refusal->status_code_type, refusal->status_code);
}

static int
compute_admin_invalid_field(struct csd_namespace *ns, struct spdk_nvmf_request *req, const char *why)
{
	CSD_NOTICE("%s: %s\n", ns->name, why);
	return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_FIELD);
}

static void
compute_admin_loaded(void *ctx, int rc, const struct csd_refusal *refusal)
{
	struct spdk_nvmf_request *req = ctx;

	if (rc == 0) {
		csd_send(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_SUCCESS);
	} else {
		csd_send(req, refusal->status_code_type, refusal->status_code);
	}
}

static bool
compute_admin_wanted(void *ctx)
{
	return csd_request_wanted(ctx);
}

static int
compute_admin_load(struct csd_compute *compute, struct spdk_nvmf_request *req, const struct spdk_nvme_cmd *cmd)
{
	struct csd_chunk chunk = {
		.pind = (uint16_t)cmd->cdw10,
		.program_type = (uint8_t)(cmd->cdw10 >> 16),
		.pit = cmd->cdw10 >> 25 & 0x7,
		.size = cmd->cdw11,
		.length = cmd->cdw14,
		.offset = cmd->cdw15,
		.iov = req->iov,
		.iovcnt = (int)req->iovcnt,
		.owner = spdk_nvmf_request_get_ctrlr(req),
	};
	const struct csd_load_asker asker = {
		.host_nqn = spdk_nvmf_request_get_host_nqn(req),
		.wanted = compute_admin_wanted, .done = compute_admin_loaded, .ctx = req,
	};
	struct csd_refusal refusal;
	int rc;

	if (chunk.pit > NVME_PIT_PUID) {
		return compute_admin_invalid_field(&compute->ns, req, "Load Program: PIT is neither 0 nor 1");
	}
	if (chunk.pit != NVME_PIT_NONE) {
		chunk.pid = (uint64_t)cmd->cdw13 << 32 | cmd->cdw12;
	}
	if (chunk.length != csd_data_bytes(req)) {
		return csd_complete_wrong_length(req);
	}
	rc = csd_compute_load(compute, &chunk, &asker, &refusal);
	if (rc == 1) {
		return SPDK_NVMF_REQUEST_EXEC_STATUS_ASYNCHRONOUS;
	}
	return rc == 0 ? csd_complete_value(req, 0) : compute_admin_complete_refused(req, &refusal);
}

static int
compute_admin_change(struct csd_compute *compute, struct spdk_nvmf_request *req, enum csd_change what, uint16_t pind)
{
	struct csd_refusal refusal;

	if (csd_compute_change(compute, what, pind, &refusal)) {
		return compute_admin_complete_refused(req, &refusal);
	}
	return csd_complete_value(req, 0);
}

static int
compute_admin_load_program(struct csd_compute *compute, struct spdk_nvmf_request *req, const struct spdk_nvme_cmd *cmd)
{
	if (((cmd->cdw10 >> 24) & 0x1) == SELECT_UNLOAD) {
		if (csd_data_bytes(req) != 0) {
			return csd_complete_wrong_length(req);
		}
		return compute_admin_change(compute, req, CSD_UNLOAD, (uint16_t)cmd->cdw10);
	}
	return compute_admin_load(compute, req, cmd);
}

static int
compute_admin_program_activation(struct csd_compute *compute, struct spdk_nvmf_request *req,
				 const struct spdk_nvme_cmd *cmd)
{
	switch ((cmd->cdw10 >> 16) & 0xf) {
	case SELECT_DEACTIVATE:
		return compute_admin_change(compute, req, CSD_DEACTIVATE, (uint16_t)cmd->cdw10);
	case SELECT_ACTIVATE:
		return compute_admin_change(compute, req, CSD_ACTIVATE, (uint16_t)cmd->cdw10);
	default:
		return compute_admin_invalid_field(&compute->ns, req, "Program Activation: SEL is neither 0 nor 1");
	}
}

static int
compute_admin_create_range_set(struct csd_compute *compute, struct spdk_nvmf_request *req, uint32_t count)
{
	struct nvme_memory_range ranges[NVME_CSD_MAX_RANGES];
	struct csd_refusal refusal;
	uint16_t rsid;

	/* Another number of ranges has a status of its own. */
	if (count > 0 && count <= NVME_CSD_MAX_RANGES) {
		if (count * sizeof(ranges[0]) != csd_data_bytes(req)) {
			return csd_complete_wrong_length(req);
		}
		csd_data_from_host(req, 0, ranges, (uint32_t)(count * sizeof(ranges[0])));
	}
	if (csd_range_sets_create(&compute->sets, req, ranges, count, &rsid, &refusal)) {
		CSD_NOTICE("%s: %s\n", compute->ns.name, refusal.why);
		return compute_admin_complete_refused(req, &refusal);
	}
	return csd_complete_value(req, rsid);
}

static int
compute_admin_memory_range_set(struct csd_compute *compute, struct spdk_nvmf_request *req,
			       const struct spdk_nvme_cmd *cmd)
{
	struct csd_refusal refusal;

	switch (cmd->cdw10 & 0xf) {
	case SELECT_CREATE:
		return compute_admin_create_range_set(compute, req, cmd->cdw11 & 0xff);
	case SELECT_DELETE:
		if (csd_data_bytes(req) != 0) {
			return csd_complete_wrong_length(req);
		}
		if (csd_range_sets_delete(&compute->sets, (uint16_t)(cmd->cdw10 >> 16), &refusal)) {
			CSD_NOTICE("%s: %s\n", compute->ns.name, refusal.why);
			return compute_admin_complete_refused(req, &refusal);
		}
		return csd_complete_value(req, 0);
	default:
		return compute_admin_invalid_field(&compute->ns, req, "Memory Range Set: SEL is neither 0 nor 1");
	}
}

/* Whether this host may bring programs in, switch them or take them out. */
static bool
compute_admin_may_load(struct spdk_nvmf_request *req)
{
	return csd_rights_may_load(spdk_nvmf_subsystem_get_nqn(spdk_nvmf_request_get_subsystem(req)),
				   spdk_nvmf_request_get_host_nqn(req));
}

int
csd_compute_admin(struct csd_namespace *ns, struct spdk_nvmf_request *req)
{
	struct csd_compute *compute = SPDK_CONTAINEROF(ns, struct csd_compute, ns);
	const struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req);

	/* Before anything of the command is looked at: a refusal tells nothing about slots and programs. */
	if (cmd->opc != NVME_MEMORY_RANGE_SET && !compute_admin_may_load(req)) {
		return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_OPERATION_DENIED);
	}
	switch (cmd->opc) {
	case NVME_LOAD_PROGRAM:
		return compute_admin_load_program(compute, req, cmd);
	case NVME_PROGRAM_ACTIVATION:
		return compute_admin_program_activation(compute, req, cmd);
	case NVME_MEMORY_RANGE_SET:
		return compute_admin_memory_range_set(compute, req, cmd);
	default:
		return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_OPCODE);
	}
}
