/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What RPCs that make, name or remove a bdev have in common. */
#ifndef CSD_RPC_H
#define CSD_RPC_H

#include "spdk/stdinc.h"
#include "spdk/bdev_module.h"
#include "spdk/rpc.h"
#include "spdk/uuid.h"

struct csd_compute;

/* Parameters that cannot be meant: says why. */
#define csd_rpc_refuse(request, ...) \
	spdk_jsonrpc_send_error_response_fmt(request, SPDK_JSONRPC_ERROR_INVALID_PARAMS, __VA_ARGS__)

/* The text of a UUID; NULL: none was given. False: it is no UUID, and the request is answered. */
bool csd_rpc_parse_uuid(struct spdk_jsonrpc_request *request, const char *text, struct spdk_uuid *uuid);

/* The compute namespace of this name. NULL: there is none, and the request is answered. */
struct csd_compute *csd_rpc_find_compute(struct spdk_jsonrpc_request *request, const char *name);

/* Answers with true, */
void csd_rpc_send_true(struct spdk_jsonrpc_request *request);
/* or with the name of the bdev that was made; rc: 0, or why it was not. `megabytes`: of memory that it asked for; 0: not said. */
void csd_rpc_send_created(struct spdk_jsonrpc_request *request, int rc, const char *name, uint64_t megabytes);

/* Removes the bdev that the parameter `name` names. `find` returns it; or NULL, and has answered the request. */
void csd_rpc_delete(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params,
		    struct spdk_bdev *(*find)(struct spdk_jsonrpc_request *request, const char *name));

#endif
