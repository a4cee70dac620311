/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * RPCs csd_get_trace, csd_clear_trace: the lines that a slot's program wrote with bpf_printk(). They may hold any host's
 * data: so there is no way to them but this socket, which is the administrator's.
 */
#include "csd_compute_private.h"
#include "csd_rpc.h"

#include "spdk/util.h"

struct trace_asked {
	char *name;
	uint16_t pind;
	uint64_t from;
};

static const struct spdk_json_object_decoder g_trace[] = {
	{ "name", offsetof(struct trace_asked, name), spdk_json_decode_string, false },
	{ "pind", offsetof(struct trace_asked, pind), spdk_json_decode_uint16, false },
	{ "from", offsetof(struct trace_asked, from), spdk_json_decode_uint64, true },
};
#define TRACE_CLEAR_FIELDS	(SPDK_COUNTOF(g_trace) - 1)

/* NULL: it was answered that there is no such slot. */
static struct csd_compute *
trace_rpc_find(struct spdk_jsonrpc_request *request, const struct trace_asked *asked)
{
	struct csd_compute *compute = csd_rpc_find_compute(request, asked->name);

	if (compute != NULL && asked->pind >= compute->slots.options.slots) {
		spdk_jsonrpc_send_error_response_fmt(request, -EINVAL, "slot %u: there are slots 0 to %u", asked->pind,
						     compute->slots.options.slots - 1);
		compute = NULL;
	}
	return compute;
}

static void
trace_rpc_send(struct spdk_jsonrpc_request *request, struct csd_slots *slots, const struct trace_asked *asked,
	       char *text)
{
	const struct csd_slot *slot = &slots->slot[asked->pind];
	uint64_t next = 0, missed = 0, lost = 0;
	struct spdk_json_write_ctx *w;

	text[0] = '\0';
	pthread_mutex_lock(&slots->mutex);
	if (slot->trace != NULL) {
		csd_trace_read(slot->trace, asked->from, text, &next, &missed);
		lost = slot->trace->lost;
	}
	pthread_mutex_unlock(&slots->mutex);
	w = spdk_jsonrpc_begin_result(request);
	spdk_json_write_object_begin(w);
	spdk_json_write_named_string(w, "text", text);
	spdk_json_write_named_uint64(w, "next", next);
	spdk_json_write_named_uint64(w, "missed", missed);
	spdk_json_write_named_uint64(w, "lost", lost);
	spdk_json_write_object_end(w);
	spdk_jsonrpc_end_result(request, w);
}

static void
trace_rpc_get_trace(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	struct trace_asked asked = {};
	struct csd_compute *compute;
	char *text = malloc(CSD_TRACE_BYTES + 1);

	if (text == NULL) {
		spdk_jsonrpc_send_error_response(request, -ENOMEM, "no memory for the lines");
	} else if (spdk_json_decode_object(params, g_trace, SPDK_COUNTOF(g_trace), &asked) != 0) {
		csd_rpc_refuse(request, "expected: name (string), pind (number), and where wanted: from (number)");
	} else if ((compute = trace_rpc_find(request, &asked)) != NULL) {
		trace_rpc_send(request, &compute->slots, &asked, text);
	}
	free(text);
	free(asked.name);
}
SPDK_RPC_REGISTER("csd_get_trace", trace_rpc_get_trace, SPDK_RPC_RUNTIME)

static void
trace_rpc_clear_trace(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	struct trace_asked asked = {};
	struct csd_compute *compute;

	if (spdk_json_decode_object(params, g_trace, TRACE_CLEAR_FIELDS, &asked) != 0) {
		csd_rpc_refuse(request, "expected: name (string), pind (number)");
	} else if ((compute = trace_rpc_find(request, &asked)) != NULL) {
		pthread_mutex_lock(&compute->slots.mutex);
		if (compute->slots.slot[asked.pind].trace != NULL) {
			csd_trace_clear(compute->slots.slot[asked.pind].trace);
		}
		pthread_mutex_unlock(&compute->slots.mutex);
		csd_rpc_send_true(request);
	}
	free(asked.name);
}
SPDK_RPC_REGISTER("csd_clear_trace", trace_rpc_clear_trace, SPDK_RPC_RUNTIME)
