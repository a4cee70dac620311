/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* RPC bdev_csd_compute_create */
#include "csd_compute_private.h"
#include "csd_rpc.h"

#include "spdk/util.h"

struct compute_create {
	char *name;
	char *uuid;
	struct csd_compute_options options;
	uint16_t program_type;
	bool interpret;		/* in configurations that a csd_tgt with an engine of its own saved: means nothing any more */
};

#define OPTION(field, decode) \
	{ #field, offsetof(struct compute_create, options.field), decode, true }

static const struct spdk_json_object_decoder g_create[] = {
	{ "name", offsetof(struct compute_create, name), spdk_json_decode_string, false },
	{ "uuid", offsetof(struct compute_create, uuid), spdk_json_decode_string, true },
	OPTION(slots, spdk_json_decode_uint16),
	OPTION(max_active, spdk_json_decode_uint16),
	OPTION(max_range_sets, spdk_json_decode_uint16),
	OPTION(max_program_bytes, spdk_json_decode_uint32),
	OPTION(max_total_bytes, spdk_json_decode_uint64),
	{ "interpret", offsetof(struct compute_create, interpret), spdk_json_decode_bool, true },
	{ "program_type", offsetof(struct compute_create, program_type), spdk_json_decode_uint16, true },
};

static const char g_expected[] =
	"expected: name (string), and where wanted: slots, max_active, max_range_sets, max_program_bytes, "
	"max_total_bytes, program_type (numbers), uuid (string)";

/* NULL: fine. */
static const char *
compute_rpc_check(const struct compute_create *asked)
{
	const struct csd_compute_options *options = &asked->options;

	if (asked->name[0] == '\0' || strlen(asked->name) >= CSD_NAME_BYTES) {
		return "name: give 1 to 63 characters";
	}
	if (options->slots == 0) {
		return "slots: give 1 or more";
	}
	if (options->max_active > options->slots) {
		return "max_active: not more than there are slots";
	}
	if (options->max_range_sets == 0) {
		return "max_range_sets: give 1 or more";
	}
	if (options->max_program_bytes == 0 || options->max_program_bytes > CSD_MAX_PROGRAM_BYTES) {
		return "max_program_bytes: give 1 to 1048576";
	}
	if (options->max_total_bytes == 0 || options->max_total_bytes % (1024 * 1024) != 0) {
		return "max_total_bytes: give whole MiB (multiples of 1048576)";
	}
	if (asked->program_type > UINT8_MAX) {
		return "program_type: give 0 to 255";
	}
	return NULL;
}

static void
compute_rpc_create(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	struct compute_create asked = {};
	struct spdk_uuid uuid;
	const char *wrong;
	int rc;

	csd_compute_default_options(&asked.options);
	asked.program_type = asked.options.program_type;
	if (spdk_json_decode_object(params, g_create, SPDK_COUNTOF(g_create), &asked) != 0) {
		csd_rpc_refuse(request, "%s", g_expected);
	} else if ((wrong = compute_rpc_check(&asked)) != NULL) {
		csd_rpc_refuse(request, "%s", wrong);
	} else if (csd_rpc_parse_uuid(request, asked.uuid, &uuid)) {
		asked.options.program_type = (uint8_t)asked.program_type;
		rc = csd_compute_create(asked.name, &asked.options, asked.uuid != NULL ? &uuid : NULL);
		csd_rpc_send_created(request, rc, asked.name, 0);
	}
	free(asked.name);
	free(asked.uuid);
}
SPDK_RPC_REGISTER("bdev_csd_compute_create", compute_rpc_create, SPDK_RPC_RUNTIME)
