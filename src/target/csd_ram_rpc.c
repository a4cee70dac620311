/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_ram.h"

#include "spdk/rpc.h"
#include "spdk/string.h"
#include "spdk/util.h"

#include "csd_layout.h"

struct ram_create {
	char *name;
	char *uuid;
	uint64_t blocks;
	uint32_t block_bytes;
};

static const struct spdk_json_object_decoder g_ram_create[] = {
	{ "name", offsetof(struct ram_create, name), spdk_json_decode_string, false },
	{ "num_blocks", offsetof(struct ram_create, blocks), spdk_json_decode_uint64, false },
	{ "block_size", offsetof(struct ram_create, block_bytes), spdk_json_decode_uint32, false },
	{ "uuid", offsetof(struct ram_create, uuid), spdk_json_decode_string, true },
};

static const struct spdk_json_object_decoder g_ram_delete[] = {
	{ "name", 0, spdk_json_decode_string, false },
};

/* False: refused, and answered. */
static bool
ram_rpc_check(struct spdk_jsonrpc_request *request, const struct ram_create *asked, struct spdk_uuid *uuid)
{
	if (asked->block_bytes != 512 && asked->block_bytes != 4096) {
		spdk_jsonrpc_send_error_response_fmt(request, SPDK_JSONRPC_ERROR_INVALID_PARAMS,
						     "block_size is %u: give 512 or 4096", asked->block_bytes);
	} else if (asked->blocks == 0 || asked->blocks > CSD_LAYOUT_MAX_MEMORY / asked->block_bytes) {
		spdk_jsonrpc_send_error_response_fmt(request, SPDK_JSONRPC_ERROR_INVALID_PARAMS,
						     "num_blocks is %" PRIu64 ": give 1 to %" PRIu64 ", which are 32 GiB",
						     asked->blocks, (uint64_t)(CSD_LAYOUT_MAX_MEMORY / asked->block_bytes));
	} else if (asked->name[0] == '\0') {
		spdk_jsonrpc_send_error_response(request, SPDK_JSONRPC_ERROR_INVALID_PARAMS, "name is empty");
	} else if (asked->uuid != NULL && spdk_uuid_parse(uuid, asked->uuid) != 0) {
		spdk_jsonrpc_send_error_response_fmt(request, SPDK_JSONRPC_ERROR_INVALID_PARAMS, "'%s' is no UUID",
						     asked->uuid);
	} else {
		return true;
	}
	return false;
}

static void
ram_rpc_do_create(struct spdk_jsonrpc_request *request, const struct ram_create *asked)
{
	struct spdk_uuid uuid;
	struct spdk_json_write_ctx *w;
	int rc;

	if (!ram_rpc_check(request, asked, &uuid)) {
		return;
	}
	rc = csd_ram_create(asked->name, asked->blocks, asked->block_bytes, asked->uuid != NULL ? &uuid : NULL);
	if (rc == -EEXIST) {
		spdk_jsonrpc_send_error_response_fmt(request, rc, "there is a bdev %s already", asked->name);
	} else if (rc == -ENOMEM) {
		spdk_jsonrpc_send_error_response_fmt(request, rc, "this machine has no %" PRIu64 " MiB of memory left",
						     asked->blocks * asked->block_bytes >> 20);
	} else if (rc != 0) {
		spdk_jsonrpc_send_error_response(request, rc, spdk_strerror(-rc));
	} else {
		w = spdk_jsonrpc_begin_result(request);
		spdk_json_write_string(w, asked->name);
		spdk_jsonrpc_end_result(request, w);
	}
}

static void
ram_rpc_create(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	struct ram_create asked = {};

	if (spdk_json_decode_object(params, g_ram_create, SPDK_COUNTOF(g_ram_create), &asked) != 0) {
		spdk_jsonrpc_send_error_response(request, SPDK_JSONRPC_ERROR_INVALID_PARAMS,
						 "expected: name (string), num_blocks (number), block_size (number), uuid (string, may be left out)");
	} else {
		ram_rpc_do_create(request, &asked);
	}
	free(asked.name);
	free(asked.uuid);
}
SPDK_RPC_REGISTER("bdev_csd_ram_create", ram_rpc_create, SPDK_RPC_RUNTIME)

static void
ram_rpc_deleted(void *ctx, int rc)
{
	struct spdk_jsonrpc_request *request = ctx;
	struct spdk_json_write_ctx *w;

	if (rc != 0) {
		spdk_jsonrpc_send_error_response(request, rc, spdk_strerror(-rc));
		return;
	}
	w = spdk_jsonrpc_begin_result(request);
	spdk_json_write_bool(w, true);
	spdk_jsonrpc_end_result(request, w);
}

static void
ram_rpc_delete(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	char *name = NULL;
	struct spdk_bdev *bdev;

	if (spdk_json_decode_object(params, g_ram_delete, SPDK_COUNTOF(g_ram_delete), &name) != 0) {
		spdk_jsonrpc_send_error_response(request, SPDK_JSONRPC_ERROR_INVALID_PARAMS, "expected: name (string)");
		free(name);
		return;
	}
	bdev = spdk_bdev_get_by_name(name);
	if (bdev == NULL || csd_ram_shared(bdev) == NULL) {
		spdk_jsonrpc_send_error_response_fmt(request, -ENODEV, "no csd_ram bdev is named %s", name);
	} else {
		spdk_bdev_unregister(bdev, ram_rpc_deleted, request);
	}
	free(name);
}
SPDK_RPC_REGISTER("bdev_csd_ram_delete", ram_rpc_delete, SPDK_RPC_RUNTIME)
