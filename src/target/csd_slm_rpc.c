/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* RPC bdev_csd_slm_create */
#include "csd_slm.h"

#include "spdk/util.h"

#include "csd_rpc.h"

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

/* False: refused, and answered. */
static bool
slm_rpc_check(struct spdk_jsonrpc_request *request, const struct slm_create *asked, struct spdk_uuid *uuid)
{
	if (asked->megabytes == 0 || asked->megabytes > UINT32_MAX) {
		csd_rpc_refuse(request, "megabytes is %" PRIu64 ": give 1 or more", asked->megabytes);
	} else if (asked->name[0] == '\0' || strlen(asked->name) >= CSD_NAME_BYTES) {
		csd_rpc_refuse(request, "name has %zu characters: give 1 to %d", strlen(asked->name), CSD_NAME_BYTES - 1);
	} else {
		return csd_rpc_parse_uuid(request, asked->uuid, uuid);
	}
	return false;
}

static void
slm_rpc_create(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	struct slm_create asked = {};
	struct spdk_uuid uuid;
	int rc;

	if (spdk_json_decode_object(params, g_slm_create, SPDK_COUNTOF(g_slm_create), &asked) != 0) {
		csd_rpc_refuse(request, "expected: name (string), megabytes (number), uuid (string, may be left out)");
	} else if (slm_rpc_check(request, &asked, &uuid)) {
		rc = csd_slm_create(asked.name, asked.megabytes << 20, asked.uuid != NULL ? &uuid : NULL);
		csd_rpc_send_created(request, rc, asked.name, asked.megabytes);
	}
	free(asked.name);
	free(asked.uuid);
}
SPDK_RPC_REGISTER("bdev_csd_slm_create", slm_rpc_create, SPDK_RPC_RUNTIME)
