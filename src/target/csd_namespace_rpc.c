/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* RPC bdev_csd_delete */
#include "csd_namespace.h"
#include "csd_rpc.h"

static struct spdk_bdev *
namespace_rpc_find(struct spdk_jsonrpc_request *request, const char *name)
{
	struct csd_namespace *ns = csd_namespace_by_name(name);

	if (ns == NULL) {
		spdk_jsonrpc_send_error_response_fmt(request, -ENODEV, "no CSD bdev is named %s", name);
		return NULL;
	}
	if (ns->bdev.internal.claim_module != NULL) {
		spdk_jsonrpc_send_error_response_fmt(request, -EBUSY,
						     "%s is a namespace of a subsystem: remove it there first", name);
		return NULL;
	}
	return &ns->bdev;
}

static void
namespace_rpc_delete(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	csd_rpc_delete(request, params, namespace_rpc_find);
}
SPDK_RPC_REGISTER("bdev_csd_delete", namespace_rpc_delete, SPDK_RPC_RUNTIME)
