/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "chance.h"
#include "parts.h"
#include "test.h"

#define PAGE		4096
#define TRACE_BYTES	2000

/* --- the sides --- */

void *
parts_open(const char *format, ...)
{
	char path[512];
	void *library;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	CHECK(library != NULL, "%s", dlerror());
	return library;
}

void *
parts_symbol(void *library, const char *format, ...)
{
	char name[64];
	void *address;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(name, sizeof(name), format, arguments);
	va_end(arguments);
	address = dlsym(library, name);
	CHECK(address != NULL, "%s", dlerror());
	return address;
}

void
parts_set_translated(struct parts *parts, void *library, uint32_t id)
{
	parts->translated.call = (void (*)(struct csd_call *))parts_symbol(library, "csd_%u_call", id);
	parts->translated.parameters = parts_symbol(library, "csd_%u_parameters", id);
	parts->translated.state = parts->state_bytes > 0 ? parts_symbol(library, "csd_%u_state", id) : NULL;
}

void
parts_set_native(struct parts *parts, void *library, const char *name)
{
	parts->native.function = (uint64_t (*)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t))parts_symbol(library, "%s", name);
	parts->native.parameters = parts_symbol(library, "csd_parameters");
	parts->native.state = parts_symbol(library, "csd_state");
	parts->beside = parts_symbol(library, "csd_beside");
}

/* --- the reference --- */

static uint64_t
parts_item_bytes(const struct csd_geometry *geometry)
{
	if (geometry == NULL || geometry->emit == CSD_EMIT_NOTHING) {
		return 0;
	}
	return geometry->emit == CSD_EMIT_RECORD ? geometry->record_bytes : sizeof(uint64_t);
}

static void
parts_reference_records(const struct parts *parts, struct csd_call *call)
{
	const struct csd_geometry *geometry = parts->geometry;
	uint64_t at = 0, item_bytes = parts_item_bytes(geometry);

	while (at <= call->input_bytes && call->input_bytes - at >= geometry->record_bytes) {
		const uint8_t *record = (const uint8_t *)call->input + at;
		uint64_t offset = call->input_offset + at;
		uint32_t verdict;

		if (call->out_bytes - call->emitted < item_bytes) {
			call->end = CSD_CALL_FULL;
			return;
		}
		verdict = parts->native.function((uint64_t)record, 0, 0, 0, 0) & 3;
		if (parts->beside->full) {
			call->end = CSD_CALL_FULL;
			return;
		}
		if (verdict & CSD_KEEP) {
			if (item_bytes > 0) {
				memcpy((uint8_t *)call->out + call->emitted, geometry->emit == CSD_EMIT_RECORD ? (const void *)record : &offset,
				       item_bytes);
			}
			call->emitted += item_bytes;
			call->matches++;
		}
		if (geometry->emit == CSD_EMIT_NOTHING) {
			call->emitted = parts->beside->emitted;
		}
		at += geometry->stride_bytes;
		call->consumed = at;
		call->records++;
		if (verdict & CSD_STOP) {
			call->end = CSD_CALL_STOPPED;
			return;
		}
	}
	call->end = CSD_CALL_USED;
}

static void
parts_reference_positions(const struct parts *parts, struct csd_call *call)
{
	static uint8_t window[CSD_MAX_RECORD_BYTES];
	const struct csd_geometry *geometry = parts->geometry;
	bool last = call->flags & CSD_CALL_LAST;
	uint64_t at = 0;

	call->end = CSD_CALL_USED;
	while (at < call->input_bytes) {
		uint64_t whole = geometry->record_bytes, left = call->input_bytes - at, bytes = left < whole ? left : whole;
		uint32_t verdict;

		if (bytes < whole && !last) {
			break;
		}
		if (call->out_bytes - call->emitted < 8) {
			call->end = CSD_CALL_FULL;
			break;
		}
		memset(window, 0, whole);
		memcpy(window, (const uint8_t *)call->input + at, bytes);
		parts->native.parameters->record_bytes = bytes;
		verdict = parts->native.function((uint64_t)window, 0, 0, 0, 0);
		parts->native.parameters->record_bytes = whole;
		call->records++;
		if ((verdict & CSD_KEEP) && verdict >> 2 < bytes) {
			uint64_t offset;

			at += verdict >> 2;
			offset = call->input_offset + at;
			memcpy((uint8_t *)call->out + call->emitted, &offset, 8);
			call->emitted += 8;
			call->matches++;
			at++;
		} else {
			at += geometry->stride_bytes;
		}
		if (verdict & CSD_STOP) {
			call->end = CSD_CALL_STOPPED;
			break;
		}
	}
	call->consumed = at > call->input_bytes && last ? call->input_bytes : at;
}

static void
parts_reference_buffer(const struct parts *parts, struct csd_call *call)
{
	struct csd_context context = {
		.begin = (const uint8_t *)call->input, .end = (const uint8_t *)call->input + call->input_bytes,
		.offset = call->input_offset, .flags = call->flags, .consumed = call->input_bytes,
	};
	uint32_t verdict = parts->native.function((uint64_t)&context, 0, 0, 0, 0);

	call->consumed = context.consumed;
	call->emitted = parts->beside->emitted;
	call->matches = parts->beside->items;
	call->end = parts->beside->full ? CSD_CALL_FULL : verdict & CSD_STOP ? CSD_CALL_STOPPED : CSD_CALL_USED;
}

void
parts_reference(const struct parts *parts, struct csd_call *call)
{
	call->consumed = call->records = call->matches = call->emitted = 0;
	*parts->beside = (struct beside) {
		.out = (uint8_t *)call->out, .room = call->out_bytes, .now = call->now, .trace = (uint8_t *)call->trace,
		.trace_bytes = call->trace_bytes,
	};
	if (parts->geometry == NULL) {
		parts_reference_buffer(parts, call);
		return;
	}
	parts->native.parameters->record_bytes = parts->geometry->record_bytes;
	if (parts->geometry->flags & CSD_POSITIONS) {
		parts_reference_positions(parts, call);
	} else {
		parts_reference_records(parts, call);
	}
	call->traced = parts->beside->traced;
}

/* --- comparison --- */

/* Memory that ends where an inaccessible page begins: what goes beyond it ends the test. */
struct guarded {
	uint8_t *begin;
	uint64_t bytes;
};

static struct guarded
parts_map(uint64_t bytes)
{
	struct guarded memory = {.bytes = (bytes + PAGE - 1) / PAGE * PAGE};

	memory.begin = mmap(NULL, memory.bytes + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory.begin != MAP_FAILED && mprotect(memory.begin + memory.bytes, PAGE, PROT_NONE) == 0, "no memory");
	return memory;
}

void
parts_begin(const struct parts *parts, const struct parts_side *side)
{
	*side->parameters = *parts->parameters;
	if (parts->state_bytes > 0) {
		memset(side->state, 0, parts->state_bytes);
	}
}

/* What comes out of a run. */
struct outcome {
	uint8_t *out;
	uint64_t emitted, records, matches;
	uint8_t state[CSD_MAX_STATE_BYTES];
};

static struct csd_call
parts_ask(const struct parts *parts, uint64_t at, uint64_t bytes, uint64_t out_bytes)
{
	return (struct csd_call) {
		.input_bytes = bytes, .input_offset = at, .out_bytes = out_bytes, .consumed = 1, .records = 2, .matches = 3,
		.emitted = 4, .end = 5, .now = 1234567891234, .trace_bytes = below(2) == 0 ? TRACE_BYTES : below(TRACE_BYTES + 1),
		.flags = (at == 0 ? CSD_CALL_FIRST : 0) | (bytes == parts->bytes - at ? CSD_CALL_LAST : 0),
	};
}

/* One part by both; the reference's answer. */
static struct csd_call
parts_step(const struct parts *parts, struct csd_call asked, const struct guarded *input, const struct guarded out[2])
{
	static uint8_t traces[2][TRACE_BYTES];
	struct csd_call found = asked, wanted = asked;
	uint8_t *outs[2];

	found.input = wanted.input = (uint64_t)(input->begin + input->bytes - asked.input_bytes);
	memcpy((void *)found.input, parts->input + asked.input_offset, asked.input_bytes);
	for (int side = 0; side < 2; side++) {
		outs[side] = out[side].begin + out[side].bytes - asked.out_bytes;
		memset(outs[side], 0xa5, asked.out_bytes);
	}
	found.out = (uint64_t)outs[0];
	wanted.out = (uint64_t)outs[1];
	memset(traces, 0x5a, sizeof(traces));
	found.trace = (uint64_t)traces[0];
	wanted.trace = (uint64_t)traces[1];
	parts->translated.call(&found);
	parts_reference(parts, &wanted);
	CHECK(found.consumed == wanted.consumed && found.records == wanted.records && found.matches == wanted.matches &&
	      found.emitted == wanted.emitted && found.end == wanted.end,
	      "%s: %lu bytes at %lu, room %lu: consumed %lu records %lu matches %lu emitted %lu end %lu, not %lu %lu %lu %lu %lu",
	      parts->name, asked.input_bytes, asked.input_offset, asked.out_bytes, found.consumed, found.records, found.matches,
	      found.emitted, found.end, wanted.consumed, wanted.records, wanted.matches, wanted.emitted, wanted.end);
	/* Of a record that is shown again, pieces may lie behind what counts. */
	CHECK(memcmp(outs[0], outs[1], parts->most_out > 0 ? found.emitted : asked.out_bytes) == 0, "%s: other bytes come out",
	      parts->name);
	CHECK(parts->geometry == NULL || (found.traced == wanted.traced && memcmp(traces[0], traces[1], TRACE_BYTES) == 0),
	      "%s: other lines: %lu bytes: %.200s, not %lu: %.200s", parts->name, found.traced, traces[0], wanted.traced, traces[1]);
	CHECK(parts->state_bytes == 0 || memcmp(parts->translated.state, parts->native.state, parts->state_bytes) == 0,
	      "%s: another state behind byte %lu", parts->name, asked.input_offset + wanted.consumed);
	CHECK(memcmp(parts->translated.parameters, parts->native.parameters, sizeof(struct csd_parameters)) == 0,
	      "%s: other parameters behind byte %lu", parts->name, asked.input_offset + wanted.consumed);
	return wanted;
}

/* How much a run may give at most. */
static uint64_t
parts_most_out(const struct parts *parts)
{
	uint64_t step = parts->geometry == NULL || parts->geometry->flags & CSD_POSITIONS ? 1 : parts->geometry->stride_bytes;

	return parts->most_out > 0 ? parts->most_out : (parts->bytes / step + 1) * parts_item_bytes(parts->geometry);
}

/* `cut`: into parts of chance; else all that is left at once. */
static uint64_t
parts_run(const struct parts *parts, bool cut, struct outcome *outcome)
{
	uint64_t most = parts_most_out(parts), at = 0, count = 0, least = 0;
	uint64_t item_bytes = parts->most_out > 0 ? 64 : parts_item_bytes(parts->geometry);
	uint64_t much = parts->geometry == NULL ? 500 : 8 * parts->geometry->stride_bytes + parts->geometry->record_bytes;
	struct guarded input = parts_map(parts->bytes), out[2] = {parts_map(most), parts_map(most)};
	bool done = false;

	outcome->out = malloc(most + 1);
	outcome->emitted = outcome->records = outcome->matches = 0;
	parts_begin(parts, &parts->translated);
	parts_begin(parts, &parts->native);
	while (!done) {
		uint64_t left = parts->bytes - at, bytes = left, room = most;
		struct csd_call answer;

		if (cut) {
			bytes = below(16) == 0 ? below(left + 1) : below(much);
			bytes = bytes < least ? least : bytes;
			bytes = bytes < left ? bytes : left;
			room = below(8) == 0 ? most : below(item_bytes * 5 + 3);
			room = room < most ? room : most;
		}
		answer = parts_step(parts, parts_ask(parts, at, bytes, room), &input, out);
		memcpy(outcome->out + outcome->emitted, out[1].begin + out[1].bytes - room, answer.emitted);
		outcome->emitted += answer.emitted;
		outcome->records += answer.records;
		outcome->matches += answer.matches;
		/* Too little for a record: more, next time. */
		least = answer.consumed == 0 ? bytes * 2 + 1 : 0;
		done = answer.consumed > left || (answer.end == CSD_CALL_USED && bytes == left);
		at += done ? 0 : answer.consumed;
		count++;
	}
	if (parts->state_bytes > 0) {
		memcpy(outcome->state, parts->translated.state, parts->state_bytes);
	}
	munmap(input.begin, input.bytes + PAGE);
	munmap(out[0].begin, out[0].bytes + PAGE);
	munmap(out[1].begin, out[1].bytes + PAGE);
	return count;
}

uint64_t
parts_compare(const struct parts *parts, uint64_t seed)
{
	static struct outcome whole, cut;
	uint64_t count;

	chance_begin(seed, parts->bytes);
	count = parts_run(parts, false, &whole) + parts_run(parts, true, &cut);

	CHECK(parts->keeps_more ||
	      (whole.emitted == cut.emitted && whole.records == cut.records && whole.matches == cut.matches &&
	       memcmp(whole.out, cut.out, whole.emitted) == 0 && memcmp(whole.state, cut.state, parts->state_bytes) == 0),
	      "%s: %lu records, %lu matches, %lu bytes at once; in parts %lu, %lu, %lu, or their bytes or state differ", parts->name,
	      whole.records, whole.matches, whole.emitted, cut.records, cut.matches, cut.emitted);
	free(whole.out);
	free(cut.out);
	return count;
}
