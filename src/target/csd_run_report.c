/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What is reported of a run whose program is in a worker: how it ended, if not well; lines that it wrote; CPU time. */
#include "csd_run_worker.h"

#include "csd_notice.h"

void
csd_run_report_fault(struct csd_run *run, enum csd_fault_kind kind, const char *place)
{
	const struct csd_ring_fault *seen = &run->wait.worker->fault;
	struct csd_fault fault = {.kind = kind, .seconds = time(NULL)};
	char text[CSD_FAULT_TEXT_BYTES];

	if (kind == CSD_FAULT_FAULT) {
		fault.signal = seen->signal;
		fault.address = seen->address;
	}
	csd_faults_text(fault.place, sizeof(fault.place), place);
	csd_faults_text(fault.host, sizeof(fault.host), spdk_nvmf_request_get_host_nqn(run->req));
	csd_faults_describe(&fault, true, text, sizeof(text));
	CSD_NOTICE_OF(CSD_NOTICE_PROGRAMS, "slot %u: %s\n", run->pind, text);
	if (csd_slots_fault(run->slots, run->pind, &fault, text)) {
		CSD_NOTICE_OF(CSD_NOTICE_DEACTIVATIONS, "slot %u: %s, with a command of %s\n", run->pind, text, fault.host);
	}
}

void
csd_run_report_end(struct csd_run *run)
{
	const struct csd_worker *worker = run->wait.worker;
	char place[CSD_PLACE_BYTES];

	csd_loaded_place(run->loaded, csd_blob_instruction(run->loaded->blob->base, &run->loaded->header,
							   worker->fault.instruction), place);
	switch (worker->end) {
	case CSD_WORKER_END_FAULT:
		csd_run_report_fault(run, CSD_FAULT_FAULT, place);
		break;
	case CSD_WORKER_END_TIME:
		csd_run_report_fault(run, CSD_FAULT_TIME, place);
		break;
	case CSD_WORKER_END_FORGED:
		csd_run_report_fault(run, CSD_FAULT_FORGED, "more, or other, than it was asked for");
		break;
	case CSD_WORKER_END_START:
		csd_run_report_fault(run, CSD_FAULT_START, "");
		break;
	case CSD_WORKER_END_KILLED:
		csd_run_report_fault(run, CSD_FAULT_KILLED, "");
		break;
	case CSD_WORKER_END_ASKED:
	case CSD_WORKER_END_NONE:
		break;
	}
}

static void
csd_run_report_some(void *ctx, const uint8_t *lines, uint32_t bytes, uint64_t lost)
{
	const struct csd_run *run = ctx;

	if (bytes > 0 || lost > 0) {
		csd_slots_trace(run->slots, run->pind, lines, bytes, lost);
	}
}

void
csd_run_report_lines(struct csd_run *run, const struct csd_ring_answer *answer)
{
	if (answer->traced > 0) {
		csd_worker_take_lines(run->wait.worker, answer, csd_run_report_some, run);
	}
}

void
csd_run_report_rest(struct csd_run *run)
{
	csd_worker_take_lines(run->wait.worker, NULL, csd_run_report_some, run);
	run->cpu_nanoseconds = csd_worker_cpu_time(run->wait.worker);
	csd_count(&run->slots->slot[run->pind].statistics.cpu_nanoseconds, run->cpu_nanoseconds);
}
