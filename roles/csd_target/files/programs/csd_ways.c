/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_ways.h"

#include <stdlib.h>

#define LINE_WORDS	8

struct csd_parameters csd_control_parameters;
uint64_t csd_control_state[CSD_MAX_STATE_BYTES / 8];

/* Each made from csd_control.c. */
extern const struct csd_control csd_control_threshold, csd_control_search, csd_control_aggregate;
extern const struct csd_control csd_control_histogram, csd_control_sample, csd_control_top;

static const struct csd_control *const controls[] = {
	&csd_control_threshold, &csd_control_search, &csd_control_aggregate,
	&csd_control_histogram, &csd_control_sample, &csd_control_top,
};

const struct csd_control *
csd_control_find(const char *name)
{
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		if (strcmp(controls[i]->name, name) == 0) {
			return controls[i];
		}
	}
	return NULL;
}

static uint64_t
mix(uint64_t digest, uint64_t word)
{
	digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return digest ^ digest >> 29;
}

static uint64_t
mix_bytes(uint64_t digest, const void *bytes, uint64_t length)
{
	const uint8_t *at = bytes;

	for (; length >= 8; at += 8, length -= 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		digest = mix(digest, word);
	}
	for (; length > 0; at++, length--) {
		digest = mix(digest, *at);
	}
	return digest;
}

static void
set_parameters(struct csd_parameters *parameters, const struct csd_run_parameters *given)
{
	memset(parameters, 0, sizeof(*parameters));
	parameters->cparam1 = given->cparam1;
	parameters->cparam2 = given->cparam2;
	parameters->data_bytes = given->data_bytes;
	if (given->data_bytes > 0) {
		memcpy(parameters->data, given->data, given->data_bytes);
	}
}

static void
set_state(void *state, const struct csd_run_parameters *given, uint32_t state_bytes)
{
	if (given->state != NULL) {
		memcpy(state, given->state, state_bytes);
	} else {
		memset(state, 0, state_bytes);
	}
}

static uint64_t
slice_at(const struct csd_input *input, uint64_t at)
{
	return input->length - at < input->slice_bytes ? input->length - at : input->slice_bytes;
}

void
csd_way_engine(struct csd_instance *instance, uint32_t state_bytes, const struct csd_run_parameters *parameters,
	       const struct csd_input *input, bool digest, struct csd_outcome *outcome)
{
	uint64_t at = 0;

	*outcome = (struct csd_outcome) {0};
	if (csd_instance_begin(instance, parameters) != 0) {
		abort();
	}
	while (at < input->length) {
		struct csd_slice slice = {
			.region = input->bytes + at, .region_bytes = slice_at(input, at), .region_offset = at,
			.out = input->out, .out_bytes = input->out_bytes,
		};
		enum csd_slice_end end;

		slice.last = at + slice.region_bytes == input->length;
		end = csd_instance_run(instance, &slice);
		outcome->matches += slice.matches;
		outcome->emitted_bytes += slice.emitted_bytes;
		if (digest) {
			outcome->digest = mix_bytes(outcome->digest, slice.out, slice.emitted_bytes);
		}
		at += slice.consumed;
		if (end != CSD_SLICE_FULL && (slice.last || end == CSD_SLICE_STOPPED)) {
			break;
		}
	}
	if (digest) {
		outcome->digest = mix_bytes(outcome->digest, csd_instance_state(instance), state_bytes);
	}
}

/* CSD_POSITIONS by a native program, as the engine does it. Returns what was used of the region. */
static uint64_t
control_positions(const struct csd_control *control, const struct csd_input *input, uint64_t from, uint64_t bytes,
		  uint64_t *matches)
{
	const uint32_t record_bytes = control->geometry->record_bytes;
	const bool last = from + bytes == input->length;
	uint8_t padded[256];
	uint64_t at = 0;

	if (record_bytes > sizeof(padded)) {
		abort();
	}
	*matches = 0;
	while (at < bytes) {
		const uint8_t *window = input->bytes + from + at;
		uint64_t here = bytes - at < record_bytes ? bytes - at : record_bytes;
		uint32_t verdict, position;

		if (here < record_bytes) {
			if (!last) {
				break;
			}
			memset(padded, 0, record_bytes);
			memcpy(padded, window, here);
			window = padded;
		} else {
			__builtin_prefetch(window + CSD_CONTROL_PREFETCH);
		}
		csd_control_parameters.record_bytes = here;
		verdict = control->program(window);
		position = verdict >> 2;
		if ((verdict & CSD_KEEP) && position < here) {
			uint64_t offset = from + at + position;

			memcpy(input->out + *matches * sizeof(offset), &offset, sizeof(offset));
			++*matches;
			at += position + 1;
		} else {
			at += control->geometry->stride_bytes;
		}
	}
	return at;
}

void
csd_way_control(const struct csd_control *control, bool inlined, const struct csd_run_parameters *parameters,
		const struct csd_input *input, bool digest, struct csd_outcome *outcome)
{
	const struct csd_geometry *geometry = control->geometry;
	const uint32_t emit_bytes = geometry->emit == CSD_EMIT_RECORD ? geometry->record_bytes :
				    geometry->emit == CSD_EMIT_OFFSET ? sizeof(uint64_t) : 0;
	uint64_t at, bytes, matches;

	*outcome = (struct csd_outcome) {0};
	set_parameters(&csd_control_parameters, parameters);
	csd_control_parameters.record_bytes = geometry->record_bytes;
	set_state(csd_control_state, parameters, geometry->state_bytes);
	for (at = 0; at < input->length; at += bytes) {
		const uint8_t *records = input->bytes + at;
		uint64_t count;

		bytes = slice_at(input, at);
		count = bytes / geometry->record_bytes;
		if (geometry->flags & CSD_POSITIONS) {
			bytes = control_positions(control, input, at, bytes, &matches);
		} else if (inlined) {
			matches = control->inlined(records, count, input->out);
		} else if (geometry->emit == CSD_EMIT_RECORD && geometry->record_bytes == 64 && geometry->stride_bytes == 64) {
			matches = csd_control_loop(control->program, records, count, input->out, 64, 64, CSD_EMIT_RECORD);
		} else {
			matches = csd_control_loop(control->program, records, count, input->out, geometry->record_bytes,
						   geometry->stride_bytes, geometry->emit);
		}
		outcome->matches += matches;
		outcome->emitted_bytes += matches * emit_bytes;
		if (digest) {
			outcome->digest = mix_bytes(outcome->digest, input->out, matches * emit_bytes);
		}
	}
	if (digest) {
		outcome->digest = mix_bytes(outcome->digest, csd_control_state, geometry->state_bytes);
	}
}

void
csd_way_reference(const struct csd_native *native, const struct csd_run_parameters *parameters,
		  const struct csd_input *input, bool digest, struct csd_outcome *outcome)
{
	static struct csd_parameters all;
	uint64_t state[CSD_MAX_STATE_BYTES / 8];
	uint64_t at, bytes, overlap, out_bytes;

	*outcome = (struct csd_outcome) {0};
	set_parameters(&all, parameters);
	set_state(state, parameters, native->state_bytes);
	overlap = csd_native_overlap(native, &all);
	for (at = 0; at < input->length; at += bytes) {
		uint64_t with_next;

		bytes = slice_at(input, at);
		with_next = input->length - at < bytes + overlap ? input->length - at : bytes + overlap;
		outcome->matches += native->run(input->bytes + at, with_next, &all, state, input->out, &out_bytes);
		outcome->emitted_bytes += out_bytes;
		if (digest && native->emit == CSD_EMIT_OFFSET) {
			for (uint64_t i = 0; i < out_bytes; i += sizeof(uint64_t)) {
				uint64_t offset;

				memcpy(&offset, input->out + i, sizeof(offset));
				outcome->digest = mix(outcome->digest, at + offset);
			}
		} else if (digest) {
			outcome->digest = mix_bytes(outcome->digest, input->out, out_bytes);
		}
	}
	if (digest) {
		outcome->digest = mix_bytes(outcome->digest, state, native->state_bytes);
	}
}

uint64_t
csd_way_read_words(const struct csd_input *input)
{
	const uint64_t *words = (const uint64_t *)input->bytes;
	const uint64_t count = input->length / sizeof(*words) / LINE_WORDS * LINE_WORDS;
	uint64_t sums[LINE_WORDS] = {0};

	for (uint64_t i = 0; i < count; i += LINE_WORDS) {
		__builtin_prefetch(words + i + CSD_CONTROL_PREFETCH / sizeof(*words));
		for (unsigned int k = 0; k < LINE_WORDS; k++) {
			sums[k] += words[i + k];
		}
	}
	return sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
}

uint64_t
csd_way_read_lines(const struct csd_input *input)
{
	const uint64_t *words = (const uint64_t *)input->bytes;
	const uint64_t lines = input->length / sizeof(*words) / LINE_WORDS;
	uint64_t sums[4] = {0};

	for (uint64_t i = 0; i + 4 <= lines; i += 4) {
		for (unsigned int k = 0; k < 4; k++) {
			sums[k] += words[(i + k) * LINE_WORDS];
		}
	}
	return sums[0] + sums[1] + sums[2] + sums[3];
}
