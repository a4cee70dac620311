/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* RPCs csd_set_host_rights, csd_get_host_rights */
#include "csd_rights.h"
#include "csd_rpc.h"

#include "spdk/nvmf_spec.h"
#include "spdk/string.h"
#include "spdk/util.h"

struct rights_set {
	char *nqn;
	char *host;
	char *programs;
};

static const struct spdk_json_object_decoder g_rights_set[] = {
	{ "nqn", offsetof(struct rights_set, nqn), spdk_json_decode_string, false },
	{ "host", offsetof(struct rights_set, host), spdk_json_decode_string, true },
	{ "programs", offsetof(struct rights_set, programs), spdk_json_decode_string, true },
};

static const char g_rights_expected[] =
	"expected: nqn (string), and where wanted: host (string; without it, all other hosts), programs (load or run; "
	"without it, the rule is removed)";

static bool
rights_rpc_nqn_fits(const char *nqn)
{
	return nqn[0] != '\0' && strlen(nqn) <= SPDK_NVMF_NQN_MAX_LEN;
}

static void
rights_rpc_set(struct spdk_jsonrpc_request *request, const struct rights_set *asked)
{
	const char *host = asked->host != NULL ? asked->host : "";
	enum csd_right right;
	int rc;

	if (!rights_rpc_nqn_fits(asked->nqn) || (asked->host != NULL && !rights_rpc_nqn_fits(host))) {
		csd_rpc_refuse(request, "an NQN has 1 to %d bytes", SPDK_NVMF_NQN_MAX_LEN);
		return;
	}
	if (asked->programs == NULL) {
		rc = csd_rights_remove(asked->nqn, host);
	} else if (csd_right_parse(asked->programs, &right) == 0) {
		rc = csd_rights_set(asked->nqn, host, right);
	} else {
		csd_rpc_refuse(request, "programs is '%s': give load or run", asked->programs);
		return;
	}
	if (rc == -ENOENT) {
		spdk_jsonrpc_send_error_response_fmt(request, rc, "there is no rule for %s at %s",
						     asked->host != NULL ? host : "all other hosts", asked->nqn);
	} else if (rc != 0) {
		spdk_jsonrpc_send_error_response(request, rc, spdk_strerror(-rc));
	} else {
		csd_rpc_send_true(request);
	}
}

static void
rights_rpc_set_host_rights(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	struct rights_set asked = {};

	if (spdk_json_decode_object(params, g_rights_set, SPDK_COUNTOF(g_rights_set), &asked) != 0) {
		csd_rpc_refuse(request, "%s", g_rights_expected);
	} else {
		rights_rpc_set(request, &asked);
	}
	free(asked.nqn);
	free(asked.host);
	free(asked.programs);
}
SPDK_RPC_REGISTER("csd_set_host_rights", rights_rpc_set_host_rights, SPDK_RPC_RUNTIME)

static void
rights_rpc_get_host_rights(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	struct spdk_json_write_ctx *w;

	if (params != NULL) {
		csd_rpc_refuse(request, "csd_get_host_rights takes no parameters");
		return;
	}
	w = spdk_jsonrpc_begin_result(request);
	spdk_json_write_array_begin(w);
	csd_rights_write(w);
	spdk_json_write_array_end(w);
	spdk_jsonrpc_end_result(request, w);
}
SPDK_RPC_REGISTER("csd_get_host_rights", rights_rpc_get_host_rights, SPDK_RPC_RUNTIME)
