/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_namespace.h"

#include "spdk/rpc.h"
#include "spdk/string.h"
#include "spdk/util.h"

static const struct spdk_json_object_decoder g_delete[] = {
	{ "name", 0, spdk_json_decode_string, false },
};

static void
namespace_rpc_deleted(void *ctx, int rc)
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
namespace_rpc_delete(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	char *name = NULL;
	struct csd_namespace *ns;

	if (spdk_json_decode_object(params, g_delete, SPDK_COUNTOF(g_delete), &name) != 0) {
		spdk_jsonrpc_send_error_response(request, SPDK_JSONRPC_ERROR_INVALID_PARAMS,
						 "expected: name (string)");
		free(name);
		return;
	}
	ns = csd_namespace_by_name(name);
	if (ns == NULL) {
		spdk_jsonrpc_send_error_response_fmt(request, -ENODEV, "no CSD bdev is named %s", name);
	} else if (ns->bdev.internal.claim_module != NULL) {
		spdk_jsonrpc_send_error_response_fmt(request, -EBUSY,
						     "%s is a namespace of a subsystem: remove it there first", name);
	} else {
		spdk_bdev_unregister(&ns->bdev, namespace_rpc_deleted, request);
	}
	free(name);
}
SPDK_RPC_REGISTER("bdev_csd_delete", namespace_rpc_delete, SPDK_RPC_RUNTIME)
