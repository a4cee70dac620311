/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What every handler does with a request: find a namespace of its subsystem, move its data, answer it. */
#include "csd_namespace.h"

#include "spdk/nvmf.h"
#include "spdk/util.h"

#define COMMAND_INTERRUPTED 0x21	/* generic status of NVMe 1.4 */

struct csd_namespace *
csd_namespace_in_request(struct spdk_nvmf_request *req, uint32_t nsid)
{
	struct spdk_bdev *bdev;
	struct spdk_bdev_desc *desc;
	struct spdk_io_channel *channel;

	if (spdk_nvmf_request_get_bdev(nsid, req, &bdev, &desc, &channel) != 0) {
		return NULL;
	}
	return csd_namespace_of(bdev);
}

uint8_t
csd_command_set_of(struct spdk_bdev *bdev)
{
	struct csd_namespace *ns = csd_namespace_of(bdev);

	return ns != NULL ? ns->ops->csi : NVME_CSI_NVM;
}

bool
csd_nsid_is_valid(struct spdk_nvmf_request *req, uint32_t nsid)
{
	return nsid != 0 && nsid <= spdk_nvmf_subsystem_get_max_nsid(spdk_nvmf_request_get_subsystem(req));
}

static void
request_set_status(struct spdk_nvmf_request *req, uint8_t status_code_type, uint8_t status_code)
{
	struct spdk_nvme_cpl *response = spdk_nvmf_request_get_response(req);

	response->status.sct = status_code_type;
	response->status.sc = status_code;
}

static void
request_set_value(struct spdk_nvmf_request *req, uint64_t value)
{
	struct spdk_nvme_cpl *response = spdk_nvmf_request_get_response(req);

	request_set_status(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_SUCCESS);
	response->cdw0 = (uint32_t)value;
	response->rsvd1 = (uint32_t)(value >> 32);	/* DW1 */
}

int
csd_complete(struct spdk_nvmf_request *req, uint8_t status_code_type, uint8_t status_code)
{
	request_set_status(req, status_code_type, status_code);
	return SPDK_NVMF_REQUEST_EXEC_STATUS_COMPLETE;
}

int
csd_complete_no_namespace(struct spdk_nvmf_request *req, uint32_t nsid)
{
	return csd_complete(req, SPDK_NVME_SCT_GENERIC, csd_nsid_is_valid(req, nsid) ? SPDK_NVME_SC_INVALID_FIELD :
			    SPDK_NVME_SC_INVALID_NAMESPACE_OR_FORMAT);
}

int
csd_complete_value(struct spdk_nvmf_request *req, uint64_t value)
{
	request_set_value(req, value);
	return SPDK_NVMF_REQUEST_EXEC_STATUS_COMPLETE;
}

uint32_t
csd_data_bytes(const struct spdk_nvmf_request *req)
{
	return req->iovcnt > 0 ? req->length : 0;
}

int
csd_complete_wrong_length(struct spdk_nvmf_request *req)
{
	return csd_complete(req, SPDK_NVME_SCT_GENERIC, SPDK_NVME_SC_DATA_SGL_LENGTH_INVALID);
}

void
csd_send(struct spdk_nvmf_request *req, uint8_t status_code_type, uint8_t status_code)
{
	request_set_status(req, status_code_type, status_code);
	spdk_nvmf_request_complete(req);
}

void
csd_send_value(struct spdk_nvmf_request *req, uint64_t value)
{
	request_set_value(req, value);
	spdk_nvmf_request_complete(req);
}

bool
csd_request_wanted(struct spdk_nvmf_request *req)
{
	return req->qpair->state == SPDK_NVMF_QPAIR_ACTIVE && spdk_nvmf_request_subsystem_is_active(req);
}

void
csd_send_interrupted(struct spdk_nvmf_request *req)
{
	csd_send(req, SPDK_NVME_SCT_GENERIC, COMMAND_INTERRUPTED);
}

/* Calls `move` for each piece of the request's data in [offset, offset + bytes). */
static void
request_for_each_piece(struct spdk_nvmf_request *req, uint32_t offset, uint32_t bytes,
		       void (*move)(void *piece, void *other, size_t bytes), void *other)
{
	uint8_t *other_byte = other;
	uint32_t i;

	assert((uint64_t)offset + bytes <= req->length);
	for (i = 0; i < req->iovcnt && bytes > 0; i++) {
		uint32_t length = (uint32_t)req->iov[i].iov_len, part;

		if (offset >= length) {
			offset -= length;
			continue;
		}
		part = spdk_min(length - offset, bytes);
		move((uint8_t *)req->iov[i].iov_base + offset, other_byte, part);
		if (other_byte != NULL) {
			other_byte += part;
		}
		bytes -= part;
		offset = 0;
	}
}

static void
request_move_from(void *piece, void *other, size_t bytes)
{
	memcpy(other, piece, bytes);
}

static void
request_move_to(void *piece, void *other, size_t bytes)
{
	memcpy(piece, other, bytes);
}

static void
request_move_zeros(void *piece, void *other, size_t bytes)
{
	(void)other;
	memset(piece, 0, bytes);
}

void
csd_data_from_host(struct spdk_nvmf_request *req, uint32_t offset, void *to, uint32_t bytes)
{
	request_for_each_piece(req, offset, bytes, request_move_from, to);
}

void
csd_data_to_host(struct spdk_nvmf_request *req, uint32_t offset, const void *from, uint32_t bytes)
{
	request_for_each_piece(req, offset, bytes, request_move_to, (void *)from);
}

void
csd_data_zero(struct spdk_nvmf_request *req, uint32_t offset, uint32_t bytes)
{
	request_for_each_piece(req, offset, bytes, request_move_zeros, NULL);
}
