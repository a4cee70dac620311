/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The calls of programs of kind csd/record: csd_emit_records.c. Each program gets its own copy, in which the program stands
 * in the loop and all that its geometry decides is a constant.
 */
typedef u64 (*csd_function)(u64 r1, u64 r2, u64 r3, u64 r4, u64 r5);

/*
 * More than any process has. Input beyond it is not looked at: so no sum of places in the input wraps, neither one stride
 * nor one record behind its end.
 */
#define CSD_MOST_INPUT	(1ULL << 63)

CSD_COPY u64
csd_input_bytes(const struct csd_call *call)
{
	return call->input_bytes < CSD_MOST_INPUT ? call->input_bytes : CSD_MOST_INPUT;
}

#define CSD_SET_RECORD_BYTES(parameters, bytes)	STORE(m32, (parameters) + CSD_RECORD_BYTES_AT, (bytes))

/* A record that is kept. Small ones are moved in registers; of larger ones gcc would ask a library. */
#define CSD_KEEP_RECORD(to, from, bytes) do { \
	if ((bytes) <= 256) { \
		__builtin_memcpy((void *)(to), (const void *)(from), (bytes)); \
	} else { \
		csd_memcpy((to), (from), (bytes)); \
	} \
} while (0)

/* `emits`: whether the program calls csd_emit(). Nothing is fetched ahead: CPUs do that better themselves (docs/engine.md). */
CSD_COPY void
csd_records(struct csd_call *call, csd_function program, u64 parameters, u64 record_bytes, u64 stride_bytes, u32 emit, u32 emits)
{
	u64 input_bytes = csd_input_bytes(call);
	u64 item_bytes = emit == CSD_EMIT_RECORD ? record_bytes : emit == CSD_EMIT_OFFSET ? sizeof(u64) : 0;
	u64 fits = input_bytes < record_bytes ? 0 : (input_bytes - record_bytes) / stride_bytes + 1;
	u64 record = call->input, offset = call->input_offset, out = call->out, seen = 0, matches = 0;
	u64 end = CSD_CALL_USED;
	struct csd_output before;

	csd_begin(call);
	CSD_SET_RECORD_BYTES(parameters, record_bytes);
	while (seen < fits) {
		u64 left = fits - seen, allowed, verdict;

		/* Room for an item is there before a record is seen: the loop need not ask, however many are kept. */
		if (item_bytes > 0) {
			u64 items = (call->out_bytes - (out - call->out)) / item_bytes;

			if (items == 0) {
				end = CSD_CALL_FULL;
				break;
			}
			left = items < left ? items : left;
		}
		allowed = left;
		do {
			if (emits) {
				before = csd_output;
			}
			verdict = program(record, 0, 0, 0, 0);
			if (emits && csd_output.full) {
				break;
			}
			if ((verdict & CSD_KEEP) != 0) {
				matches++;
				if (emit == CSD_EMIT_RECORD) {
					CSD_KEEP_RECORD(out, record, record_bytes);
				} else if (emit == CSD_EMIT_OFFSET) {
					STORE(m64, out, offset);
				}
				out += item_bytes;
			}
			record += stride_bytes;
			offset += stride_bytes;
			left--;
		} while (left != 0 && (verdict & CSD_STOP) == 0);
		seen += allowed - left;
		/* It has not seen this record: it sees it again. */
		if (emits && csd_output.full) {
			csd_output = before;
			end = CSD_CALL_FULL;
			break;
		}
		if ((verdict & CSD_STOP) != 0) {
			end = CSD_CALL_STOPPED;
			break;
		}
	}
	call->consumed = seen * stride_bytes;
	call->records = seen;
	call->matches = matches;
	call->emitted = (emits ? csd_output.at : out) - call->out;
	csd_end(call, end);
}

/*
 * CSD_POSITIONS: the program says where the next window begins, so each is looked at on its own. In the last part the
 * windows that end behind the input are copied to `tail`, filled up with zeros.
 */
CSD_COPY void
csd_positions(struct csd_call *call, csd_function program, u64 parameters, u64 record_bytes, u64 stride_bytes, u64 tail)
{
	u64 input_bytes = csd_input_bytes(call), room = call->out_bytes / sizeof(u64);
	u64 at = 0, records = 0, matches = 0, end = CSD_CALL_USED;

	csd_begin(call);
	CSD_SET_RECORD_BYTES(parameters, record_bytes);
	while (at < input_bytes) {
		u64 window = call->input + at, bytes = input_bytes - at;
		u32 verdict, position;

		if (bytes < record_bytes && (call->flags & CSD_CALL_LAST) == 0) {
			break;
		}
		if (matches == room) {
			end = CSD_CALL_FULL;
			break;
		}
		if (bytes < record_bytes) {
			csd_memcpy(tail, window, bytes);
			csd_memset(tail + bytes, 0, record_bytes - bytes);
			window = tail;
			CSD_SET_RECORD_BYTES(parameters, bytes);
		} else {
			bytes = record_bytes;
		}
		verdict = program(window, 0, 0, 0, 0);
		position = verdict >> 2;
		records++;
		if ((verdict & CSD_KEEP) != 0 && position < bytes) {
			STORE(m64, call->out + matches * sizeof(u64), call->input_offset + at + position);
			matches++;
			at += (u64)position + 1;
		} else {
			at += stride_bytes;
		}
		if ((verdict & CSD_STOP) != 0) {
			end = CSD_CALL_STOPPED;
			break;
		}
	}
	CSD_SET_RECORD_BYTES(parameters, record_bytes);
	call->consumed = (call->flags & CSD_CALL_LAST) != 0 && at > input_bytes ? input_bytes : at;
	call->records = records;
	call->matches = matches;
	call->emitted = matches * sizeof(u64);
	csd_end(call, end);
}
