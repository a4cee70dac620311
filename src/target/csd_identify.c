/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Identify, as far as SPDK knows nothing of command sets. docs/nvme.md says what each structure holds.
 *
 * A namespace of another command set than NVM has no NVM structure (CNS 00h). A host that selected all command sets is
 * told so; one that selected NVM alone gets zeros, as of an inactive namespace, and leaves it alone.
 */
#include "csd_nvmf.h"
#include "csd_reachability.h"

#include "spdk/nvmf.h"
#include "spdk/string.h"
#include "spdk/util.h"

#define CNS_NAMESPACE_INDEPENDENT	0x08	/* of command sets */
#define CNS_COMMAND_SETS		0x1c
#define DMSL				8	/* its offset in CNS 06h of NVM */
#define DESCRIPTOR_CSI			0x04
#define INVALID_IO_COMMAND_SET		0x2c	/* Command Specific */
#define NSTAT_READY			0x01
#define NSFEAT_NO_VOLATILE_CACHE	(1u << 5)
#define ALL_COMMAND_SETS		6	/* CC.CSS */
/* Identify Controller (CNS 01h), behind what SPDK knows of it */
#define OAES_REACHABILITY		(1u << 17)	/* both change notices */
#define CRCAP				134
#define CRCAP_SUPPORTED			(1u << 0)
#define CRCAP_GROUPS_DO_NOT_CHANGE	(1u << 1)

/* Identify CNS 08h */
struct namespace_independent {
	uint8_t nsfeat;
	uint8_t nmic;
	uint8_t rescap;
	uint8_t fpi;
	uint32_t anagrpid;
	uint8_t nsattr;
	uint8_t reserved9;
	uint16_t nvmsetid;
	uint16_t endgid;
	uint8_t nstat;
	uint8_t kpios;
	uint16_t maxkt;
	uint8_t reserved18[2];
	uint32_t rgrpid;
	uint8_t reserved24[4072];
};
SPDK_STATIC_ASSERT(sizeof(struct namespace_independent) == 4096, "CNS 08h");

static const enum nvme_csd_csi g_command_sets[] = { NVME_CSI_NVM, NVME_CSI_SLM, NVME_CSI_COMPUTE };

static int
identify_invalid_field(struct spdk_nvmf_request *req)
{
	return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_FIELD);
}

static int
identify_success(struct spdk_nvmf_request *req)
{
	return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_SUCCESS);
}

static int
identify_invalid_namespace(struct spdk_nvmf_request *req)
{
	return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_INVALID_NAMESPACE_OR_FORMAT);
}

static int
identify_invalid_command_set(struct spdk_nvmf_request *req)
{
	return csd_complete(req, SPDK_NVME_SCT_COMMAND_SPECIFIC, INVALID_IO_COMMAND_SET);
}

static bool
identify_command_set_known(uint8_t csi)
{
	size_t i;

	for (i = 0; i < SPDK_COUNTOF(g_command_sets); i++) {
		if (g_command_sets[i] == csi) {
			return true;
		}
	}
	return false;
}

/* NULL: no namespace has this NSID. */
static struct spdk_bdev *
identify_bdev_in_request(struct spdk_nvmf_request *req, uint32_t nsid)
{
	struct spdk_bdev *bdev;
	struct spdk_bdev_desc *desc;
	struct spdk_io_channel *channel;

	return spdk_nvmf_request_get_bdev(nsid, req, &bdev, &desc, &channel) == 0 ? bdev : NULL;
}

/* CNS 01h. SPDK offers Dataset Management and Write Zeroes only if all namespaces have them; only NVM ones count. */
static int
identify_controller(struct spdk_nvmf_request *req, struct spdk_nvme_ctrlr_data *data)
{
	struct spdk_nvmf_subsystem *subsystem = spdk_nvmf_request_get_subsystem(req);
	struct spdk_nvmf_ns *ns;
	bool unmap = true, write_zeroes = true;
	uint32_t oaes;

	spdk_nvmf_ctrlr_identify_ctrlr(spdk_nvmf_request_get_ctrlr(req), data);
	for (ns = spdk_nvmf_subsystem_get_first_ns(subsystem); ns != NULL;
	     ns = spdk_nvmf_subsystem_get_next_ns(subsystem, ns)) {
		struct spdk_bdev *bdev = spdk_nvmf_ns_get_bdev(ns);

		if (bdev == NULL || csd_namespace_of(bdev) != NULL) {
			continue;
		}
		unmap = unmap && spdk_bdev_io_type_supported(bdev, SPDK_BDEV_IO_TYPE_UNMAP);
		write_zeroes = write_zeroes &&
			       spdk_bdev_io_type_supported(bdev, SPDK_BDEV_IO_TYPE_WRITE_ZEROES);
	}
	data->oncs.dsm = unmap;
	data->oncs.write_zeroes = write_zeroes;
	memcpy(&oaes, &data->oaes, sizeof(oaes));
	oaes |= OAES_REACHABILITY;
	memcpy(&data->oaes, &oaes, sizeof(oaes));
	((uint8_t *)data)[CRCAP] = CRCAP_SUPPORTED | CRCAP_GROUPS_DO_NOT_CHANGE;
	return identify_success(req);
}

/* CNS 00h */
static int
csd_identify_nvm_namespace(struct spdk_nvmf_request *req, uint32_t nsid)
{
	if (csd_namespace_in_request(req, nsid) == NULL) {
		return -1;
	}
	return spdk_nvmf_ctrlr_get_command_sets(spdk_nvmf_request_get_ctrlr(req)) == ALL_COMMAND_SETS ?
	       identify_invalid_command_set(req) : identify_success(req);
}

static uint8_t *
identify_add_descriptor(uint8_t *at, uint8_t type, const void *id, uint8_t bytes)
{
	struct spdk_nvme_ns_id_desc *descriptor = (struct spdk_nvme_ns_id_desc *)at;

	if (type != DESCRIPTOR_CSI && spdk_mem_all_zero(id, bytes)) {
		return at;
	}
	descriptor->nidt = type;
	descriptor->nidl = bytes;
	memcpy(descriptor->nid, id, bytes);
	return at + sizeof(*descriptor) + bytes;
}

/* CNS 03h */
static int
identify_descriptors(struct spdk_nvmf_request *req, uint32_t nsid, uint8_t *data)
{
	struct spdk_nvmf_subsystem *subsystem = spdk_nvmf_request_get_subsystem(req);
	struct spdk_bdev *bdev = identify_bdev_in_request(req, nsid);
	struct spdk_nvmf_ns_opts options;
	uint8_t csi;

	if (bdev == NULL) {
		return identify_invalid_namespace(req);
	}
	spdk_nvmf_ns_get_opts(spdk_nvmf_subsystem_get_ns(subsystem, nsid), &options, sizeof(options));
	csi = csd_command_set_of(bdev);
	data = identify_add_descriptor(data, SPDK_NVME_NIDT_EUI64, options.eui64, sizeof(options.eui64));
	data = identify_add_descriptor(data, SPDK_NVME_NIDT_NGUID, options.nguid, sizeof(options.nguid));
	data = identify_add_descriptor(data, SPDK_NVME_NIDT_UUID, &options.uuid, sizeof(options.uuid));
	identify_add_descriptor(data, DESCRIPTOR_CSI, &csi, sizeof(csi));
	return identify_success(req);
}

/* CNS 05h; zeros for an inactive namespace, and for NVM (no protection formats of its extended structure) */
static int
identify_namespace(struct spdk_nvmf_request *req, uint32_t nsid, uint8_t csi, void *data)
{
	struct spdk_bdev *bdev = identify_bdev_in_request(req, nsid);
	struct csd_namespace *ns;

	if (!csd_nsid_is_valid(req, nsid)) {
		return identify_invalid_namespace(req);
	}
	if (!identify_command_set_known(csi)) {
		return identify_invalid_field(req);
	}
	if (bdev == NULL) {
		return identify_success(req);
	}
	if (csd_command_set_of(bdev) != csi) {
		return identify_invalid_field(req);
	}
	ns = csd_namespace_of(bdev);
	if (ns != NULL) {
		ns->ops->identify_namespace(ns, data);
	}
	return identify_success(req);
}

/* The first namespace of a command set with an NSID above `above`; *nsid is its NSID. */
static struct spdk_bdev *
identify_next_of_command_set(struct spdk_nvmf_request *req, uint8_t csi, uint32_t above, uint32_t *nsid)
{
	struct spdk_nvmf_subsystem *subsystem = spdk_nvmf_request_get_subsystem(req);
	struct spdk_nvmf_ns *ns;

	for (ns = spdk_nvmf_subsystem_get_first_ns(subsystem); ns != NULL;
	     ns = spdk_nvmf_subsystem_get_next_ns(subsystem, ns)) {
		struct spdk_bdev *bdev = spdk_nvmf_ns_get_bdev(ns);

		if (bdev != NULL && spdk_nvmf_ns_get_id(ns) > above && csd_command_set_of(bdev) == csi) {
			*nsid = spdk_nvmf_ns_get_id(ns);
			return bdev;
		}
	}
	return NULL;
}

/* The largest namespace that can deallocate: a Dataset Management command names no more blocks than it has. */
static uint64_t
identify_dataset_management_limit(struct spdk_nvmf_subsystem *subsystem)
{
	struct spdk_nvmf_ns *ns;
	uint64_t limit = 0;

	for (ns = spdk_nvmf_subsystem_get_first_ns(subsystem); ns != NULL;
	     ns = spdk_nvmf_subsystem_get_next_ns(subsystem, ns)) {
		struct spdk_bdev *bdev = spdk_nvmf_ns_get_bdev(ns);

		if (bdev != NULL && spdk_bdev_io_type_supported(bdev, SPDK_BDEV_IO_TYPE_UNMAP)) {
			limit = spdk_max(limit, spdk_bdev_get_num_blocks(bdev));
		}
	}
	return limit;
}

/* CNS 06h; NVM: no limits beyond MDTS but that of Dataset Management */
static int
identify_controller_of_set(struct spdk_nvmf_request *req, uint8_t csi, uint8_t *data)
{
	uint64_t limit;
	struct spdk_bdev *bdev;
	struct csd_namespace *ns;
	uint32_t nsid;

	if (!identify_command_set_known(csi)) {
		return identify_invalid_field(req);
	}
	if (csi == NVME_CSI_NVM) {
		limit = identify_dataset_management_limit(spdk_nvmf_request_get_subsystem(req));
		memcpy(data + DMSL, &limit, sizeof(limit));
	}
	bdev = identify_next_of_command_set(req, csi, 0, &nsid);
	ns = bdev != NULL ? csd_namespace_of(bdev) : NULL;
	if (ns != NULL) {
		ns->ops->identify_controller(ns, data);
	}
	return identify_success(req);
}

/* CNS 07h */
static int
identify_active_list(struct spdk_nvmf_request *req, uint32_t above, uint8_t csi, uint32_t *list)
{
	size_t count;

	if (above >= 0xfffffffe) {
		return identify_invalid_namespace(req);
	}
	if (!identify_command_set_known(csi)) {
		return identify_invalid_field(req);
	}
	for (count = 0; count < 1024; count++) {
		if (identify_next_of_command_set(req, csi, above, &above) == NULL) {
			break;
		}
		list[count] = above;
	}
	return identify_success(req);
}

/* CNS 08h */
static int
identify_namespace_independent(struct spdk_nvmf_request *req, uint32_t nsid, struct namespace_independent *data)
{
	struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req);
	struct spdk_bdev *bdev = identify_bdev_in_request(req, nsid);

	if (!csd_nsid_is_valid(req, nsid)) {
		return identify_invalid_namespace(req);
	}
	if (bdev == NULL) {
		return identify_success(req);
	}
	if (csd_namespace_of(bdev) == NULL) {
		struct spdk_nvme_ns_data nvm = {};

		spdk_nvmf_ctrlr_identify_ns(spdk_nvmf_request_get_ctrlr(req), cmd,
					    spdk_nvmf_request_get_response(req), &nvm);
		data->rescap = nvm.nsrescap.raw;
	} else {
		data->nsfeat = NSFEAT_NO_VOLATILE_CACHE;	/* a Flush has nothing to do */
	}
	data->nmic = 1;	/* every controller of the subsystem has it */
	data->nstat = NSTAT_READY;
	data->rgrpid = csd_reachability_group(csd_command_set_of(bdev));
	return identify_success(req);
}

/* CNS 1Ch: one combination, with every command set */
static int
identify_command_sets(struct spdk_nvmf_request *req, uint16_t cntid, uint64_t *combinations)
{
	size_t i;

	if (cntid != 0xffff && cntid != spdk_nvmf_ctrlr_get_id(spdk_nvmf_request_get_ctrlr(req))) {
		return identify_invalid_field(req);
	}
	for (i = 0; i < SPDK_COUNTOF(g_command_sets); i++) {
		combinations[0] |= 1ull << g_command_sets[i];
	}
	return identify_success(req);
}

int
csd_identify(struct spdk_nvmf_request *req)
{
	struct spdk_nvme_cmd *cmd = spdk_nvmf_request_get_cmd(req);
	uint8_t csi = cmd->cdw11 >> 24;

	/* SPDK has zeroed the buffer. */
	if (spdk_nvmf_subsystem_get_type(spdk_nvmf_request_get_subsystem(req)) == SPDK_NVMF_SUBTYPE_DISCOVERY) {
		return -1;
	}
	if (csd_data_bytes(req) != 4096) {
		return csd_complete_wrong_length(req);
	}
	if (req->iov[0].iov_len < 4096) {
		return -1;	/* in pieces: SPDK refuses it */
	}
	switch (cmd->cdw10 & 0xff) {
	case SPDK_NVME_IDENTIFY_NS:
		return csd_identify_nvm_namespace(req, cmd->nsid);
	case SPDK_NVME_IDENTIFY_CTRLR:
		return identify_controller(req, req->data);
	case SPDK_NVME_IDENTIFY_NS_ID_DESCRIPTOR_LIST:
		return identify_descriptors(req, cmd->nsid, req->data);
	case SPDK_NVME_IDENTIFY_NS_IOCS:
		return identify_namespace(req, cmd->nsid, csi, req->data);
	case SPDK_NVME_IDENTIFY_CTRLR_IOCS:
		return identify_controller_of_set(req, csi, req->data);
	case SPDK_NVME_IDENTIFY_ACTIVE_NS_LIST_IOCS:
		return identify_active_list(req, cmd->nsid, csi, req->data);
	case CNS_NAMESPACE_INDEPENDENT:
		return identify_namespace_independent(req, cmd->nsid, req->data);
	case CNS_COMMAND_SETS:
		return identify_command_sets(req, cmd->cdw10 >> 16, req->data);
	default:
		return -1;
	}
}
