/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_slm.h"

#include "spdk/rpc.h"
#include "spdk/string.h"
#include "spdk/util.h"

struct slm_create {
	char *name;
	char *uuid;
	uint64_t megabytes;
};

static const struct spdk_json_object_decoder g_slm_create[] = {
	{ "name", offsetof(struct slm_create, name), spdk_json_decode_string, false },
	{ "megabytes", offsetof(struct slm_create, megabytes), spdk_json_decode_uint64, false },
	{ "uuid", offsetof(struct slm_create, uuid), spdk_json_decode_string, true },
};

static void
slm_rpc_do_create(struct spdk_jsonrpc_request *request, const struct slm_create *asked)
{
	struct spdk_uuid uuid;
	struct spdk_json_write_ctx *w;
	int rc;

	if (asked->megabytes == 0 || asked->megabytes > UINT32_MAX) {
		spdk_jsonrpc_send_error_response_fmt(request, SPDK_JSONRPC_ERROR_INVALID_PARAMS,
						     "megabytes is %" PRIu64 ": give 1 or more", asked->megabytes);
		return;
	}
	if (asked->name[0] == '\0' || strlen(asked->name) >= CSD_NAME_BYTES) {
		spdk_jsonrpc_send_error_response_fmt(request, SPDK_JSONRPC_ERROR_INVALID_PARAMS,
						     "name has %zu characters: give 1 to %d",
						     strlen(asked->name), CSD_NAME_BYTES - 1);
		return;
	}
	if (asked->uuid != NULL && spdk_uuid_parse(&uuid, asked->uuid) != 0) {
		spdk_jsonrpc_send_error_response_fmt(request, SPDK_JSONRPC_ERROR_INVALID_PARAMS,
						     "'%s' is no UUID", asked->uuid);
		return;
	}
	rc = csd_slm_create(asked->name, asked->megabytes << 20, asked->uuid ? &uuid : NULL);
	if (rc == -EEXIST) {
		spdk_jsonrpc_send_error_response_fmt(request, rc, "there is a bdev %s already", asked->name);
	} else if (rc == -ENOMEM) {
		spdk_jsonrpc_send_error_response_fmt(request, rc,
						     "this machine has no %" PRIu64 " MiB of memory left",
						     asked->megabytes);
	} else if (rc != 0) {
		spdk_jsonrpc_send_error_response(request, rc, spdk_strerror(-rc));
	} else {
		w = spdk_jsonrpc_begin_result(request);
		spdk_json_write_string(w, asked->name);
		spdk_jsonrpc_end_result(request, w);
	}
}

static void
slm_rpc_create(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	struct slm_create asked = {};

	if (spdk_json_decode_object(params, g_slm_create, SPDK_COUNTOF(g_slm_create), &asked) != 0) {
		spdk_jsonrpc_send_error_response(request, SPDK_JSONRPC_ERROR_INVALID_PARAMS,
						 "expected: name (string), megabytes (number), uuid (string, may be left out)");
	} else {
		slm_rpc_do_create(request, &asked);
	}
	free(asked.name);
	free(asked.uuid);
}
SPDK_RPC_REGISTER("bdev_csd_slm_create", slm_rpc_create, SPDK_RPC_RUNTIME)
