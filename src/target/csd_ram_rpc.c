/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* RPCs bdev_csd_ram_create, bdev_csd_ram_delete */
#include "csd_ram.h"

#include "spdk/util.h"

#include "csd_layout.h"
#include "csd_rpc.h"

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

/* False: refused, and answered. */
static bool
ram_rpc_check(struct spdk_jsonrpc_request *request, const struct ram_create *asked, struct spdk_uuid *uuid)
{
	if (asked->block_bytes != 512 && asked->block_bytes != 4096) {
		csd_rpc_refuse(request, "block_size is %u: give 512 or 4096", asked->block_bytes);
	} else if (asked->blocks == 0 || asked->blocks > CSD_LAYOUT_MAX_MEMORY / asked->block_bytes) {
		csd_rpc_refuse(request, "num_blocks is %" PRIu64 ": give 1 to %" PRIu64 ", which are 32 GiB", asked->blocks,
			       (uint64_t)(CSD_LAYOUT_MAX_MEMORY / asked->block_bytes));
	} else if (asked->name[0] == '\0') {
		csd_rpc_refuse(request, "name is empty");
	} else {
		return csd_rpc_parse_uuid(request, asked->uuid, uuid);
	}
	return false;
}

static void
ram_rpc_create(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	struct ram_create asked = {};
	struct spdk_uuid uuid;
	int rc;

	if (spdk_json_decode_object(params, g_ram_create, SPDK_COUNTOF(g_ram_create), &asked) != 0) {
		csd_rpc_refuse(request, "expected: name (string), num_blocks (number), block_size (number), "
			       "uuid (string, may be left out)");
	} else if (ram_rpc_check(request, &asked, &uuid)) {
		rc = csd_ram_create(asked.name, asked.blocks, asked.block_bytes, asked.uuid != NULL ? &uuid : NULL);
		csd_rpc_send_created(request, rc, asked.name, asked.blocks * asked.block_bytes >> 20);
	}
	free(asked.name);
	free(asked.uuid);
}
SPDK_RPC_REGISTER("bdev_csd_ram_create", ram_rpc_create, SPDK_RPC_RUNTIME)

static struct spdk_bdev *
ram_rpc_find(struct spdk_jsonrpc_request *request, const char *name)
{
	struct spdk_bdev *bdev = spdk_bdev_get_by_name(name);

	if (bdev == NULL || csd_ram_shared(bdev) == NULL) {
		spdk_jsonrpc_send_error_response_fmt(request, -ENODEV, "no csd_ram bdev is named %s", name);
		return NULL;
	}
	return bdev;
}

static void
ram_rpc_delete(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	csd_rpc_delete(request, params, ram_rpc_find);
}
SPDK_RPC_REGISTER("bdev_csd_ram_delete", ram_rpc_delete, SPDK_RPC_RUNTIME)
