/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_trace.h"

#include <string.h>

static void
trace_put(struct csd_trace *trace, char character)
{
	trace->text[trace->written++ % CSD_TRACE_BYTES] = character;
}

static uint64_t
trace_oldest(const struct csd_trace *trace)
{
	uint64_t kept = trace->written > CSD_TRACE_BYTES ? trace->written - CSD_TRACE_BYTES : 0;

	return kept > trace->first ? kept : trace->first;
}

void
csd_trace_add(struct csd_trace *trace, const uint8_t *bytes, size_t length, uint64_t lost)
{
	static const char digits[] = "0123456789abcdef";

	trace->lost += lost;
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '\n' || (bytes[i] >= ' ' && bytes[i] <= '~' && bytes[i] != '\\')) {
			trace_put(trace, (char)bytes[i]);
			continue;
		}
		trace_put(trace, '\\');
		trace_put(trace, 'x');
		trace_put(trace, digits[bytes[i] >> 4]);
		trace_put(trace, digits[bytes[i] & 15]);
	}
	if (length > 0 && bytes[length - 1] != '\n') {
		trace_put(trace, '\n');
	}
}

void
csd_trace_read(const struct csd_trace *trace, uint64_t from, char to[CSD_TRACE_BYTES + 1], uint64_t *next, uint64_t *missed)
{
	uint64_t oldest = trace_oldest(trace), begin = from < oldest || from > trace->written ? oldest : from, at, count;

	*missed = from < oldest ? oldest - from : 0;
	*next = trace->written;
	count = trace->written - begin;
	at = begin % CSD_TRACE_BYTES;
	if (count > CSD_TRACE_BYTES - at) {
		memcpy(to, trace->text + at, CSD_TRACE_BYTES - at);
		memcpy(to + CSD_TRACE_BYTES - at, trace->text, count - (CSD_TRACE_BYTES - at));
	} else {
		memcpy(to, trace->text + at, count);
	}
	to[count] = '\0';
}

void
csd_trace_clear(struct csd_trace *trace)
{
	trace->first = trace->written;
}
