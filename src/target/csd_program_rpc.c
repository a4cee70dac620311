/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* RPCs about programs: csd_load_program, csd_{activate,deactivate,unload}_program, csd_get_programs, csd_get_stats */
#include "csd_compute_private.h"
#include "csd_emit.h"
#include "csd_policy.h"
#include "csd_rpc.h"
#include "csd_workers.h"

#include "spdk/base64.h"
#include "spdk/util.h"

/* ---- load ---- */

struct load {
	char *name;
	char *program;
	char *emit;
	uint16_t pind;
	uint16_t program_type;
	uint64_t *pid;		/* NULL: none was given */
	uint32_t offset;
	uint32_t size;
	struct csd_load_options options;
};

static int
program_rpc_decode_pid(const struct spdk_json_val *value, void *out)
{
	uint64_t **pid = out;

	free(*pid);
	*pid = malloc(sizeof(**pid));
	return *pid == NULL ? -1 : spdk_json_decode_uint64(value, *pid);
}

static const struct spdk_json_object_decoder g_load[] = {
	{ "name", offsetof(struct load, name), spdk_json_decode_string, false },
	{ "pind", offsetof(struct load, pind), spdk_json_decode_uint16, false },
	{ "program", offsetof(struct load, program), spdk_json_decode_string, false },
	{ "program_type", offsetof(struct load, program_type), spdk_json_decode_uint16, true },
	{ "pid", offsetof(struct load, pid), program_rpc_decode_pid, true },
	{ "record_bytes", offsetof(struct load, options.record_bytes), spdk_json_decode_uint32, true },
	{ "stride_bytes", offsetof(struct load, options.stride_bytes), spdk_json_decode_uint32, true },
	{ "state_bytes", offsetof(struct load, options.state_bytes), spdk_json_decode_uint32, true },
	{ "emit", offsetof(struct load, emit), spdk_json_decode_string, true },
	/* SPDK reads requests of at most 32 KiB: a larger program comes in pieces, as over NVMe. */
	{ "offset", offsetof(struct load, offset), spdk_json_decode_uint32, true },
	{ "size", offsetof(struct load, size), spdk_json_decode_uint32, true },
};

static const char g_load_expected[] =
	"expected: name (string), pind (number), program (base64), and where wanted: program_type, pid, record_bytes, "
	"stride_bytes, state_bytes (numbers), emit (record, offset or nothing); for a piece of a program: offset, size (numbers)";

static void
program_rpc_loaded(void *ctx, int rc, const struct csd_refusal *refusal)
{
	struct spdk_jsonrpc_request *request = ctx;

	if (rc == 0) {
		csd_rpc_send_true(request);
	} else {
		spdk_jsonrpc_send_error_response(request, -EINVAL, refusal->why);
	}
}

static void
program_rpc_load_bytes(struct spdk_jsonrpc_request *request, struct load *asked, struct csd_compute *compute,
		       void *bytes, size_t length)
{
	struct iovec iov = { .iov_base = bytes, .iov_len = length };
	struct csd_chunk chunk = {
		.pind = asked->pind,
		.program_type = (uint8_t)asked->program_type,
		.pit = asked->pid != NULL ? NVME_PIT_PUID : NVME_PIT_NONE,
		.pid = asked->pid != NULL ? *asked->pid : 0,
		.size = asked->size != 0 ? asked->size : (uint32_t)length,
		.offset = asked->offset,
		.length = (uint32_t)length,
		.iov = &iov,
		.iovcnt = 1,
		.owner = compute,
		.options = asked->options,
	};
	const struct csd_load_asker asker = {.host_nqn = "", .done = program_rpc_loaded, .ctx = request};
	struct csd_refusal refusal;
	int rc;

	rc = csd_compute_load(compute, &chunk, &asker, &refusal);
	if (rc == 0) {
		csd_rpc_send_true(request);
	} else if (rc < 0) {
		spdk_jsonrpc_send_error_response(request, -EINVAL, refusal.why);
	}
}

static void
program_rpc_load(struct spdk_jsonrpc_request *request, struct load *asked)
{
	struct csd_compute *compute = csd_rpc_find_compute(request, asked->name);
	size_t length = 0;
	uint8_t *bytes;

	if (compute == NULL) {
		return;
	}
	if (asked->program_type > UINT8_MAX) {
		csd_rpc_refuse(request, "program_type: give 0 to 255");
		return;
	}
	if (asked->emit != NULL && csd_emit_parse(asked->emit, &asked->options.emit) != 0) {
		csd_rpc_refuse(request, "emit is '%s': give record, offset or nothing", asked->emit);
		return;
	}
	bytes = malloc(spdk_base64_get_decoded_len(strlen(asked->program)) + 1);
	if (bytes == NULL || spdk_base64_decode(bytes, &length, asked->program) != 0) {
		csd_rpc_refuse(request, "program is no base64");
	} else {
		program_rpc_load_bytes(request, asked, compute, bytes, length);
	}
	free(bytes);
}

static void
program_rpc_load_program(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	struct load asked = { .program_type = UINT16_MAX };
	struct csd_compute *compute;

	if (spdk_json_decode_object(params, g_load, SPDK_COUNTOF(g_load), &asked) != 0) {
		csd_rpc_refuse(request, "%s", g_load_expected);
	} else {
		compute = csd_compute_by_name(asked.name);
		if (asked.program_type == UINT16_MAX && compute != NULL) {
			asked.program_type = compute->options.program_type;
		}
		program_rpc_load(request, &asked);
	}
	free(asked.name);
	free(asked.program);
	free(asked.emit);
	free(asked.pid);
}
SPDK_RPC_REGISTER("csd_load_program", program_rpc_load_program, SPDK_RPC_RUNTIME)

/* ---- activate, deactivate, unload ---- */

struct slot_name {
	char *name;
	uint16_t pind;
};

static const struct spdk_json_object_decoder g_slot_name[] = {
	{ "name", offsetof(struct slot_name, name), spdk_json_decode_string, false },
	{ "pind", offsetof(struct slot_name, pind), spdk_json_decode_uint16, false },
};

static void
program_rpc_change(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params, enum csd_change what)
{
	struct slot_name asked = {};
	struct csd_compute *compute;
	struct csd_refusal refusal;

	if (spdk_json_decode_object(params, g_slot_name, SPDK_COUNTOF(g_slot_name), &asked) != 0) {
		csd_rpc_refuse(request, "expected: name (string), pind (number)");
	} else if ((compute = csd_rpc_find_compute(request, asked.name)) != NULL) {
		if (csd_compute_change(compute, what, asked.pind, &refusal)) {
			/* Whoever asks again tells by the code that it is worth it. */
			spdk_jsonrpc_send_error_response(request,
							 refusal.status_code == NVME_SC_PROGRAM_IN_USE ? -EBUSY : -EINVAL,
							 refusal.why);
		} else {
			csd_rpc_send_true(request);
		}
	}
	free(asked.name);
}

static void
program_rpc_activate_program(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	program_rpc_change(request, params, CSD_ACTIVATE);
}
SPDK_RPC_REGISTER("csd_activate_program", program_rpc_activate_program, SPDK_RPC_RUNTIME)

static void
program_rpc_deactivate_program(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	program_rpc_change(request, params, CSD_DRAIN);
}
SPDK_RPC_REGISTER("csd_deactivate_program", program_rpc_deactivate_program, SPDK_RPC_RUNTIME)

static void
program_rpc_unload_program(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	program_rpc_change(request, params, CSD_UNLOAD);
}
SPDK_RPC_REGISTER("csd_unload_program", program_rpc_unload_program, SPDK_RPC_RUNTIME)

/* ---- get ---- */

static const char *
program_rpc_state_name(enum csd_slot_state state)
{
	switch (state) {
	case CSD_SLOT_EMPTY:
		return "empty";
	case CSD_SLOT_LOADING:
		return "loading";
	case CSD_SLOT_VERIFYING:
		return "verifying";
	case CSD_SLOT_LOADED:
		return "loaded";
	case CSD_SLOT_ACTIVE:
		return "active";
	}
	return "unknown";
}

static void
program_rpc_write_named_or_null(struct spdk_json_write_ctx *w, const char *name, const char *value)
{
	if (value[0] == '\0') {
		spdk_json_write_named_null(w, name);
	} else {
		spdk_json_write_named_string(w, name, value);
	}
}

static void
program_rpc_write_info(struct spdk_json_write_ctx *w, const struct csd_loaded *program)
{
	static const struct csd_program_info none = { .kind = "" };
	const struct csd_program_info *info = program != NULL ? &program->info : &none;
	char sha256[2 * CSD_SHA256_BYTES + 1] = "";
	int i;

	for (i = 0; program != NULL && i < CSD_SHA256_BYTES; i++) {
		snprintf(sha256 + 2 * i, 3, "%02x", program->sha256[i]);
	}
	program_rpc_write_named_or_null(w, "sha256", sha256);
	program_rpc_write_named_or_null(w, "engine", program != NULL ? CSD_LOADED_ENGINE : "");
	program_rpc_write_named_or_null(w, "kind", info->kind);
	spdk_json_write_named_bool(w, "jit", program != NULL);
	spdk_json_write_named_uint32(w, "record_bytes", info->record_bytes);
	spdk_json_write_named_uint32(w, "stride_bytes", info->stride_bytes);
	spdk_json_write_named_uint32(w, "state_bytes", info->state_bytes);
	spdk_json_write_named_uint32(w, "kept_bytes", info->kept_bytes);
	spdk_json_write_named_string(w, "emit", csd_emit_name(info->emit));
	spdk_json_write_named_uint32(w, "instructions", info->instructions);
	spdk_json_write_named_uint32(w, "jit_bytes", info->code_bytes);
	program_rpc_write_named_or_null(w, "verdict", program != NULL ? csd_proof_name(program->proof.kind) : "");
	program_rpc_write_named_or_null(w, "not_proved", program != NULL ? program->proof.words : "");
}

/* For an administrator: with the address, which may be data, and with the host. */
static void
program_rpc_write_last_fault(struct spdk_json_write_ctx *w, const struct csd_fault *fault)
{
	char text[CSD_FAULT_TEXT_BYTES], address[24];
	struct tm utc;
	time_t when = (time_t)fault->seconds;

	csd_faults_describe(fault, true, text, sizeof(text));
	spdk_json_write_named_object_begin(w, "last_fault");
	spdk_json_write_named_string(w, "kind", csd_faults_kind(fault->kind));
	spdk_json_write_named_string(w, "text", text);
	spdk_json_write_named_uint32(w, "signal", fault->signal);
	snprintf(address, sizeof(address), "%#" PRIx64, fault->address);
	program_rpc_write_named_or_null(w, "address", fault->signal != 0 ? address : "");
	program_rpc_write_named_or_null(w, "place", fault->place);
	spdk_json_write_named_string(w, "host", fault->host);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&when, &utc));
	spdk_json_write_named_string(w, "time", text);
	spdk_json_write_object_end(w);
}

static void
program_rpc_write_faults(struct spdk_json_write_ctx *w, const struct csd_faults *faults)
{
	char text[CSD_FAULT_TEXT_BYTES] = "";

	if (faults->deactivated != 0) {
		csd_faults_explain(faults, true, text);
	}
	program_rpc_write_named_or_null(w, "deactivated", text);
	spdk_json_write_named_uint64(w, "faults", faults->count);
	if (faults->last.kind == CSD_FAULT_NONE) {
		spdk_json_write_named_null(w, "last_fault");
	} else {
		program_rpc_write_last_fault(w, &faults->last);
	}
}

static void
program_rpc_write_slot(struct spdk_json_write_ctx *w, const struct csd_slot *slot, uint16_t pind)
{
	spdk_json_write_object_begin(w);
	spdk_json_write_named_uint32(w, "pind", pind);
	spdk_json_write_named_string(w, "state", program_rpc_state_name(slot->state));
	spdk_json_write_named_uint32(w, "bytes", slot->size);
	if (slot->pit == NVME_PIT_PUID) {
		spdk_json_write_named_uint64(w, "pid", slot->pid);
	} else {
		spdk_json_write_named_null(w, "pid");
	}
	spdk_json_write_named_uint32(w, "program_type", slot->program_type);
	program_rpc_write_info(w, slot->loaded);
	program_rpc_write_named_or_null(w, "reason", slot->reason);
	program_rpc_write_named_or_null(w, "runs_in", slot->loaded == NULL ? "" : "worker");
	program_rpc_write_faults(w, &slot->faults);
	spdk_json_write_object_end(w);
}

static void
program_rpc_write_worker_cpus(struct spdk_json_write_ctx *w)
{
	const int *cpus;
	uint32_t count = csd_workers_cpus(&cpus);
	uint32_t i;

	spdk_json_write_named_array_begin(w, "worker_cpus");
	for (i = 0; i < count; i++) {
		spdk_json_write_int32(w, cpus[i]);
	}
	spdk_json_write_array_end(w);
}

static void
program_rpc_write_programs(struct spdk_json_write_ctx *w, struct csd_compute *compute)
{
	const struct csd_compute_options *options = &compute->options;
	struct csd_slots *slots = &compute->slots;
	uint16_t i;

	spdk_json_write_object_begin(w);
	spdk_json_write_named_string(w, "name", compute->ns.name);
	spdk_json_write_named_uint32(w, "slots", options->slots);
	spdk_json_write_named_uint32(w, "max_active", options->max_active);
	spdk_json_write_named_uint32(w, "max_program_bytes", options->max_program_bytes);
	spdk_json_write_named_uint32(w, "program_type", options->program_type);
	spdk_json_write_named_string(w, "programs_policy", csd_policy_name());
	spdk_json_write_named_array_begin(w, "programs");
	pthread_mutex_lock(&slots->mutex);
	for (i = 0; i < options->slots; i++) {
		if (slots->slot[i].state != CSD_SLOT_EMPTY || slots->slot[i].reason[0] != '\0') {
			program_rpc_write_slot(w, &slots->slot[i], i);
		}
	}
	pthread_mutex_unlock(&slots->mutex);
	spdk_json_write_array_end(w);
	program_rpc_write_worker_cpus(w);
	spdk_json_write_object_end(w);
}

static void
program_rpc_write_counters(struct spdk_json_write_ctx *w, const struct csd_slot *slot, uint16_t pind)
{
	struct csd_statistics_entry entry;

	csd_statistics_read(&slot->statistics, &entry);
	spdk_json_write_object_begin(w);
	spdk_json_write_named_uint32(w, "pind", pind);
	spdk_json_write_named_uint64(w, "runs", entry.runs);
	spdk_json_write_named_uint64(w, "records", entry.records);
	spdk_json_write_named_uint64(w, "matches", entry.matches);
	spdk_json_write_named_uint64(w, "scanned_bytes", entry.scanned_bytes);
	spdk_json_write_named_uint64(w, "returned_bytes", entry.returned_bytes);
	spdk_json_write_named_uint64(w, "nanoseconds", entry.nanoseconds);
	spdk_json_write_named_uint64(w, "aborted", entry.aborted);
	spdk_json_write_named_uint64(w, "failed", entry.failed);
	spdk_json_write_named_uint64(w, "refused", entry.refused);
	spdk_json_write_named_uint64(w, "faults", slot->faults.count);
	spdk_json_write_named_uint64(w, "cpu_nanoseconds", entry.cpu_nanoseconds);
	spdk_json_write_object_end(w);
}

static void
program_rpc_write_stats(struct spdk_json_write_ctx *w, struct csd_compute *compute)
{
	struct csd_slots *slots = &compute->slots;
	uint16_t i;

	spdk_json_write_object_begin(w);
	spdk_json_write_named_string(w, "name", compute->ns.name);
	spdk_json_write_named_array_begin(w, "programs");
	pthread_mutex_lock(&slots->mutex);
	for (i = 0; i < slots->options.slots; i++) {
		if (slots->slot[i].used) {
			program_rpc_write_counters(w, &slots->slot[i], i);
		}
	}
	pthread_mutex_unlock(&slots->mutex);
	spdk_json_write_array_end(w);
	spdk_json_write_object_end(w);
}

static const struct spdk_json_object_decoder g_name[] = {
	{ "name", 0, spdk_json_decode_string, true },
};

static void
program_rpc_get(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params,
		void (*write)(struct spdk_json_write_ctx *w, struct csd_compute *compute))
{
	struct csd_compute *compute = NULL;
	struct spdk_json_write_ctx *w;
	char *name = NULL;

	if (params != NULL && spdk_json_decode_object(params, g_name, SPDK_COUNTOF(g_name), &name) != 0) {
		csd_rpc_refuse(request, "expected: name (string), or nothing");
	} else if (name == NULL || (compute = csd_rpc_find_compute(request, name)) != NULL) {
		w = spdk_jsonrpc_begin_result(request);
		spdk_json_write_array_begin(w);
		if (compute != NULL) {
			write(w, compute);
		} else {
			while ((compute = csd_compute_next(compute)) != NULL) {
				write(w, compute);
			}
		}
		spdk_json_write_array_end(w);
		spdk_jsonrpc_end_result(request, w);
	}
	free(name);
}

static void
program_rpc_get_programs(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	program_rpc_get(request, params, program_rpc_write_programs);
}
SPDK_RPC_REGISTER("csd_get_programs", program_rpc_get_programs, SPDK_RPC_RUNTIME)

static void
program_rpc_get_stats(struct spdk_jsonrpc_request *request, const struct spdk_json_val *params)
{
	program_rpc_get(request, params, program_rpc_write_stats);
}
SPDK_RPC_REGISTER("csd_get_stats", program_rpc_get_stats, SPDK_RPC_RUNTIME)
