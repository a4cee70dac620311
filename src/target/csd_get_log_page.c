/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Get Log Page: what the controller supports and what can be used together, and the logs of a namespace. Others are SPDK's. */
#include "csd_changes.h"
#include "csd_effects.h"
#include "csd_log.h"
#include "csd_nvmf.h"
#include "csd_reachability.h"
#include "csd_rights.h"
#include "csd_supported.h"

#include "spdk/nvmf.h"

#define INVALID_LOG_PAGE 0x09	/* Command Specific */

static int
get_log_page_invalid_field(struct spdk_nvmf_request *req)
{
	return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_FIELD);
}

/* The buffer is zeroed already. */
static int
get_log_page_send_part(struct spdk_nvmf_request *req, const struct csd_log_part *part, const void *page,
		       size_t page_bytes)
{
	uint64_t bytes;

	if (!csd_log_available(part, page_bytes, &bytes)) {
		return get_log_page_invalid_field(req);
	}
	csd_data_to_host(req, 0, (const uint8_t *)page + part->offset, (uint32_t)bytes);
	return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_SUCCESS);
}

static int
get_log_page_effects_log(struct spdk_nvmf_request *req, const struct csd_log_part *part, uint8_t csi)
{
	struct csd_effects effects = {};

	if (!csd_effects_fill(csi, &effects)) {
		return get_log_page_invalid_field(req);
	}
	return get_log_page_send_part(req, part, &effects, sizeof(effects));
}

/* The namespaces of the subsystem, by their NSIDs. NULL: no memory. */
static struct csd_reachable *
csd_get_log_page_namespaces(struct spdk_nvmf_subsystem *subsystem, uint32_t *count)
{
	struct csd_reachable *namespaces;
	struct spdk_nvmf_ns *ns;

	*count = 0;
	for (ns = spdk_nvmf_subsystem_get_first_ns(subsystem); ns != NULL;
	     ns = spdk_nvmf_subsystem_get_next_ns(subsystem, ns)) {
		++*count;
	}
	namespaces = calloc(*count + 1, sizeof(*namespaces));
	*count = 0;
	for (ns = spdk_nvmf_subsystem_get_first_ns(subsystem); ns != NULL && namespaces != NULL;
	     ns = spdk_nvmf_subsystem_get_next_ns(subsystem, ns)) {
		struct spdk_bdev *bdev = spdk_nvmf_ns_get_bdev(ns);

		if (bdev != NULL) {
			namespaces[(*count)++] = (struct csd_reachable) { spdk_nvmf_ns_get_id(ns), csd_command_set_of(bdev) };
		}
	}
	return namespaces;
}

static int
csd_get_log_page_reachability(struct spdk_nvmf_request *req, const struct csd_log_part *part, uint8_t lid, bool only)
{
	void *(*build)(const struct csd_reachable *, uint32_t, bool, size_t *) =
		lid == NVME_LOG_REACHABILITY_GROUPS ? csd_reachability_groups : csd_reachability_associations;
	struct spdk_nvmf_subsystem *subsystem = spdk_nvmf_request_get_subsystem(req);
	struct nvme_reachability_header *whole = NULL, *page = NULL;
	size_t whole_bytes = 0, page_bytes = 0;
	uint32_t count;
	struct csd_reachable *namespaces = csd_get_log_page_namespaces(subsystem, &count);
	int rc;

	if (namespaces != NULL) {
		whole = build(namespaces, count, false, &whole_bytes);
		page = build(namespaces, count, only, &page_bytes);
	}
	if (whole == NULL || page == NULL) {
		rc = csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INTERNAL_DEVICE_ERROR);
	} else {
		page->changes = csd_changes_count(spdk_nvmf_subsystem_get_nqn(subsystem), lid, whole, whole_bytes);
		rc = get_log_page_send_part(req, part, page, page_bytes);
	}
	free(whole);
	free(page);
	free(namespaces);
	return rc;
}

/* Logs of the controller. */
static int
csd_get_log_page_controller(struct spdk_nvmf_request *req, const struct csd_log_part *part, uint8_t lid)
{
	struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req);

	if (cmd->nsid != 0 && cmd->nsid != SPDK_NVME_GLOBAL_NS_TAG) {
		return get_log_page_invalid_field(req);
	}
	switch (lid) {
	case NVME_LOG_SUPPORTED_PAGES:
		return get_log_page_send_part(req, part, csd_supported_logs, sizeof(csd_supported_logs));
	case NVME_LOG_FEATURES:
		return get_log_page_send_part(req, part, csd_supported_features, sizeof(csd_supported_features));
	case NVME_LOG_COMMANDS_AND_EFFECTS:
		return get_log_page_effects_log(req, part, cmd->cdw14 >> 24);
	default:
		return csd_get_log_page_reachability(req, part, lid, cmd->cdw10 & NVME_REACHABILITY_ONLY);
	}
}

/* Lines of a program's source are for those who may bring programs in. */
static bool
csd_get_log_page_may(struct spdk_nvmf_request *req, uint8_t lid)
{
	return lid != CSD_LOG_PROGRAM_FAULT ||
	       csd_rights_may_load(spdk_nvmf_subsystem_get_nqn(spdk_nvmf_request_get_subsystem(req)),
				   spdk_nvmf_request_get_host_nqn(req));
}

static int
get_log_page_namespace_log(struct spdk_nvmf_request *req, const struct csd_log_part *part, uint8_t lid)
{
	struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req);
	struct csd_namespace *ns = csd_namespace_in_request(req, cmd->nsid);
	size_t page_bytes = 0;
	void *page;
	int rc;

	if (spdk_nvmf_subsystem_get_ns(spdk_nvmf_request_get_subsystem(req), cmd->nsid) == NULL) {
		return csd_complete_no_namespace(req, cmd->nsid);
	}
	if (ns == NULL || ns->ops->log_page == NULL) {
		return csd_complete(req, SPDK_NVME_SCT_COMMAND_SPECIFIC, INVALID_LOG_PAGE);
	}
	if (!csd_get_log_page_may(req, lid)) {
		return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_OPERATION_DENIED);
	}
	page = ns->ops->log_page(ns, lid, cmd->cdw11 >> 16, &page_bytes);
	if (page == NULL) {
		return page_bytes == 0 ? csd_complete(req, SPDK_NVME_SCT_COMMAND_SPECIFIC, INVALID_LOG_PAGE) :
		       csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INTERNAL_DEVICE_ERROR);
	}
	rc = get_log_page_send_part(req, part, page, page_bytes);
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
	int (*send)(struct spdk_nvmf_request *req, const struct csd_log_part *part, uint8_t lid);

	if (spdk_nvmf_subsystem_get_type(spdk_nvmf_request_get_subsystem(req)) == SPDK_NVMF_SUBTYPE_DISCOVERY) {
		return -1;
	}
	switch (lid) {
	case NVME_LOG_SUPPORTED_PAGES:
	case NVME_LOG_COMMANDS_AND_EFFECTS:
	case NVME_LOG_FEATURES:
	case NVME_LOG_REACHABILITY_GROUPS:
	case NVME_LOG_REACHABILITY_ASSOCIATIONS:
		send = csd_get_log_page_controller;
		break;
	case NVME_LOG_PROGRAM_LIST:
	case NVME_LOG_PROGRAM_TYPES:
	case NVME_LOG_MEMORY_RANGE_SETS:
	case CSD_LOG_PROGRAMS:
	case CSD_LOG_RANGE_SETS_IN_USE:
	case CSD_LOG_PROGRAM_REASON:
	case CSD_LOG_PROGRAM_STATISTICS:
	case CSD_LOG_PROGRAM_FAULT:
		send = get_log_page_namespace_log;
		break;
	default:
		return -1;
	}
	if (!csd_log_parse(dwords, &part)) {
		return get_log_page_invalid_field(req);
	}
	if (part.bytes != csd_data_bytes(req)) {
		return csd_complete_wrong_length(req);
	}
	return send(req, &part, lid);
}
