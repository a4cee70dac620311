/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_nvmf.h"
#include "csd_compute.h"

#include "spdk/nvmf.h"

#define FEATURE_IO_COMMAND_SET_PROFILE	0x19
#define COMBINATION_REJECTED		0x2b

static int
nvmf_process_io(struct spdk_nvmf_request *req)
{
	struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req);
	struct csd_namespace *ns = csd_namespace_in_request(req, cmd->nsid);

	if (cmd->fuse != 0) {
		return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_FIELD);
	}
	return ns->ops->io(ns, req);
}

/* SPDK has set "not aborted" in the Abort command's CDW0, and completes it. */
static int
nvmf_process_abort(struct spdk_nvmf_request *req)
{
	struct spdk_nvmf_request *req_to_abort = spdk_nvmf_request_get_req_to_abort(req);
	struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req_to_abort);
	struct csd_namespace *ns = csd_namespace_in_request(req_to_abort, cmd->nsid);

	if (ns->ops->abort != NULL && ns->ops->abort(ns, req_to_abort)) {
		spdk_nvmf_request_get_response(req)->cdw0 &= ~1u;
	}
	return SPDK_NVMF_REQUEST_EXEC_STATUS_COMPLETE;
}

static int
nvmf_process_admin(struct spdk_nvmf_request *req)
{
	struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req);
	struct csd_namespace *ns = csd_namespace_in_request(req, cmd->nsid);

	if (spdk_nvmf_subsystem_get_ns(spdk_nvmf_request_get_subsystem(req), cmd->nsid) == NULL) {
		return csd_complete_no_namespace(req, cmd->nsid);
	}
	if (ns == NULL || ns->ops->admin == NULL) {
		return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_NAMESPACE_OR_FORMAT);
	}
	return ns->ops->admin(ns, req);
}

/* There is one combination of command sets, number 0, with all of them. */
static int
nvmf_process_features(struct spdk_nvmf_request *req)
{
	struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req);

	if ((cmd->cdw10 & 0xff) != FEATURE_IO_COMMAND_SET_PROFILE) {
		return -1;
	}
	if (cmd->opc == SPDK_NVME_OPC_SET_FEATURES && (cmd->cdw11 & 0x1ff) != 0) {
		return csd_complete(req, SPDK_NVME_SCT_COMMAND_SPECIFIC, COMBINATION_REJECTED);
	}
	return csd_complete_value(req, 0);
}

void
csd_nvmf_register(void)
{
	spdk_nvmf_set_custom_namespaces(csd_namespace_module(), nvmf_process_io, nvmf_process_abort);
	spdk_nvmf_set_ctrlr_gone_hdlr(csd_compute_controller_gone);
	spdk_nvmf_set_custom_admin_cmd_hdlr(SPDK_NVME_OPC_IDENTIFY, csd_identify);
	spdk_nvmf_set_custom_admin_cmd_hdlr(SPDK_NVME_OPC_GET_LOG_PAGE, csd_get_log_page);
	spdk_nvmf_set_custom_admin_cmd_hdlr(SPDK_NVME_OPC_GET_FEATURES, nvmf_process_features);
	spdk_nvmf_set_custom_admin_cmd_hdlr(SPDK_NVME_OPC_SET_FEATURES, nvmf_process_features);
	spdk_nvmf_set_custom_admin_cmd_hdlr(NVME_LOAD_PROGRAM, nvmf_process_admin);
	spdk_nvmf_set_custom_admin_cmd_hdlr(NVME_PROGRAM_ACTIVATION, nvmf_process_admin);
	spdk_nvmf_set_custom_admin_cmd_hdlr(NVME_MEMORY_RANGE_SET, nvmf_process_admin);
}
