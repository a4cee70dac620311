/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_rpc.h"

#include "spdk/string.h"
#include "spdk/util.h"

#include "csd_compute_private.h"

static const struct spdk_json_object_decoder g_rpc_name[] = {
	{ "name", 0, spdk_json_decode_string, false },
};

bool
csd_rpc_parse_uuid(struct spdk_jsonrpc_request *request, const char *text, struct spdk_uuid *uuid)
{
	if (text != NULL && spdk_uuid_parse(uuid, text) != 0) {
		csd_rpc_refuse(request, "'%s' is no UUID", text);
		return false;
	}
	return true;
}

struct csd_compute *
csd_rpc_find_compute(struct spdk_jsonrpc_request *request, const char *name)
{
	struct csd_compute *compute = csd_compute_by_name(name);

	if (compute == NULL) {
		spdk_jsonrpc_send_error_response_fmt(request, -ENODEV, "no compute namespace is named %s", name);
	}
	return compute;
}

void
csd_rpc_send_true(struct spdk_jsonrpc_request *request)
{
	struct spdk_json_write_ctx *w = spdk_jsonrpc_begin_result(request);

	spdk_json_write_bool(w, true);
	spdk_jsonrpc_end_result(request, w);
}

void
csd_rpc_send_created(struct spdk_jsonrpc_request *request, int rc, const char *name, uint64_t megabytes)
{
	struct spdk_json_write_ctx *w;

	if (rc == -EEXIST) {
		spdk_jsonrpc_send_error_response_fmt(request, rc, "there is a bdev %s already", name);
	} else if (rc == -ENOMEM && megabytes > 0) {
		spdk_jsonrpc_send_error_response_fmt(request, rc, "this machine has no %" PRIu64 " MiB of memory left",
						     megabytes);
	} else if (rc != 0) {
		spdk_jsonrpc_send_error_response(request, rc, spdk_strerror(-rc));
	} else {
		w = spdk_jsonrpc_begin_result(request);
		spdk_json_write_string(w, name);
		spdk_jsonrpc_end_result(request, w);
	}
}

static void
rpc_deleted(void *ctx, int rc)
{
	struct spdk_jsonrpc_request *request = ctx;

	if (rc != 0) {
		spdk_jsonrpc_send_error_response(request, rc, spdk_strerror(-rc));
	} else {
		csd_rpc_send_true(request);
	}
}

void
csd_rpc_delete(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params,
	       struct spdk_bdev *(*find)(struct spdk_jsonrpc_request *request, const char *name))
{
	struct spdk_bdev *bdev;
	char *name = NULL;

	if (spdk_json_decode_object(params, g_rpc_name, SPDK_COUNTOF(g_rpc_name), &name) != 0) {
		csd_rpc_refuse(request, "expected: name (string)");
	} else if ((bdev = find(request, name)) != NULL) {
		spdk_bdev_unregister(bdev, rpc_deleted, request);
	}
	free(name);
}
