/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Get Log Page: 05h of each command set, and the logs of a namespace. Others are SPDK's. */
#include "csd_effects.h"
#include "csd_log.h"
#include "csd_nvmf.h"

#include "spdk/nvmf.h"

#define INVALID_LOG_PAGE 0x09	/* Command Specific */

static int
invalid_field(struct spdk_nvmf_request *req)
{
	return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_FIELD);
}

/* The buffer is zeroed already. */
static int
send_part(struct spdk_nvmf_request *req, const struct csd_log_part *part, const void *page, size_t page_bytes)
{
	uint64_t bytes;

	if (!csd_log_available(part, page_bytes, &bytes)) {
		return invalid_field(req);
	}
	csd_data_to_host(req, 0, (const uint8_t *)page + part->offset, (uint32_t)bytes);
	return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_SUCCESS);
}

static int
effects_log(struct spdk_nvmf_request *req, const struct csd_log_part *part, uint8_t csi)
{
	struct csd_effects effects = {};

	if (!csd_effects_fill(csi, &effects)) {
		return invalid_field(req);
	}
	return send_part(req, part, &effects, sizeof(effects));
}

static int
namespace_log(struct spdk_nvmf_request *req, const struct csd_log_part *part, uint8_t lid)
{
	struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req);
	struct csd_namespace *ns = csd_namespace_in_request(req, cmd->nsid);
	size_t page_bytes = 0;
	void *page;
	int rc;

	if (spdk_nvmf_subsystem_get_ns(spdk_nvmf_request_get_subsystem(req), cmd->nsid) == NULL) {
		return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_NAMESPACE_OR_FORMAT);
	}
	if (ns == NULL || ns->ops->log_page == NULL) {
		return csd_complete(req, SPDK_NVME_SCT_COMMAND_SPECIFIC, INVALID_LOG_PAGE);
	}
	page = ns->ops->log_page(ns, lid, cmd->cdw11 >> 16, &page_bytes);
	if (page == NULL) {
		return page_bytes == 0 ? csd_complete(req, SPDK_NVME_SCT_COMMAND_SPECIFIC, INVALID_LOG_PAGE) :
		       csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INTERNAL_DEVICE_ERROR);
	}
	rc = send_part(req, part, page, page_bytes);
	free(page);
	return rc;
}

int
csd_get_log_page(struct spdk_nvmf_request *req)
{
	struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req);
	const uint32_t dwords[5] = { cmd->cdw10, cmd->cdw11, cmd->cdw12, cmd->cdw13, cmd->cdw14 };
	uint8_t lid = cmd->cdw10 & 0xff;
	struct csd_log_part part;

	if (spdk_nvmf_subsystem_get_type(spdk_nvmf_request_get_subsystem(req)) == SPDK_NVMF_SUBTYPE_DISCOVERY) {
		return -1;
	}
	switch (lid) {
	case NVME_LOG_COMMANDS_AND_EFFECTS:
	case NVME_LOG_PROGRAM_LIST:
	case NVME_LOG_PROGRAM_TYPES:
	case NVME_LOG_MEMORY_RANGE_SETS:
	case CSD_LOG_PROGRAM_REASON:
	case CSD_LOG_PROGRAM_STATISTICS:
		break;
	default:
		return -1;
	}
	if (!csd_log_parse(dwords, &part)) {
		return invalid_field(req);
	}
	if (part.bytes != csd_data_bytes(req)) {
		return csd_complete_wrong_length(req);
	}
	if (lid == NVME_LOG_COMMANDS_AND_EFFECTS) {
		return effects_log(req, &part, cmd->cdw14 >> 24);
	}
	return namespace_log(req, &part, lid);
}
