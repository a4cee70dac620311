/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The end of a call of a program of kind csd/buffer: csd_emit_buffer.c has its begin. */
CSD_COPY void
csd_end_buffer(struct csd_call *call, u64 consumed, u64 verdict)
{
	if (consumed > call->input_bytes) {
		csd_fault();
	}
	call->consumed = consumed;
	call->records = 0;
	call->matches = csd_output.items;
	call->emitted = csd_output.at - call->out;
	csd_end(call, csd_output.full ? CSD_CALL_FULL : (verdict & CSD_STOP) != 0 ? CSD_CALL_STOPPED : CSD_CALL_USED);
}
