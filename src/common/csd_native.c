/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE
#include <string.h>

#include "csd_native.h"

#define RECORD_BYTES	64
#define TEMPERATURE_AT	20

static inline int32_t
native_temperature_at(const uint8_t *record)
{
	int32_t temperature;

	memcpy(&temperature, record + TEMPERATURE_AT, sizeof(temperature));
	return temperature;
}

static uint64_t
native_run_threshold(const uint8_t *input, uint64_t bytes, const struct csd_parameters *parameters, void *state,
		     uint8_t *out, uint64_t *out_bytes)
{
	const int64_t threshold = (int64_t)parameters->cparam1;
	uint8_t *next = out;

	(void)state;
	for (uint64_t i = 0; i < bytes / RECORD_BYTES; i++) {
		const uint8_t *record = input + i * RECORD_BYTES;

		if (native_temperature_at(record) >= threshold) {
			memcpy(next, record, RECORD_BYTES);
			next += RECORD_BYTES;
		}
	}
	*out_bytes = next - out;
	return *out_bytes / RECORD_BYTES;
}

/* The pattern and its length, 1 to 16. */
static size_t
native_search_pattern(const struct csd_parameters *parameters, uint8_t pattern[CSD_SEARCH_MAX_PATTERN])
{
	size_t length = parameters->data_bytes;

	if (length == 0) {
		memcpy(pattern, &parameters->cparam1, sizeof(parameters->cparam1));
		return sizeof(parameters->cparam1);
	}
	if (length > CSD_SEARCH_MAX_PATTERN) {
		length = CSD_SEARCH_MAX_PATTERN;
	}
	if (parameters->cparam1 % CSD_SEARCH_MAX_PATTERN != 0 && parameters->cparam1 % CSD_SEARCH_MAX_PATTERN < length) {
		length = parameters->cparam1 % CSD_SEARCH_MAX_PATTERN;
	}
	memcpy(pattern, parameters->data, length);
	return length;
}

static uint64_t
native_run_search(const uint8_t *input, uint64_t bytes, const struct csd_parameters *parameters, void *state,
		  uint8_t *out, uint64_t *out_bytes)
{
	uint8_t pattern[CSD_SEARCH_MAX_PATTERN];
	const size_t length = native_search_pattern(parameters, pattern);
	const uint8_t *from = input, *end = input + bytes, *match;
	uint8_t *next = out;

	(void)state;
	while ((match = memmem(from, end - from, pattern, length)) != NULL) {
		uint64_t offset = match - input;

		memcpy(next, &offset, sizeof(offset));
		next += sizeof(offset);
		from = match + 1;
	}
	*out_bytes = next - out;
	return *out_bytes / sizeof(uint64_t);
}

static uint64_t
native_run_aggregate(const uint8_t *input, uint64_t bytes, const struct csd_parameters *parameters, void *state,
		     uint8_t *out, uint64_t *out_bytes)
{
	struct csd_aggregate_state *result = state;
	const uint64_t count = bytes / RECORD_BYTES;
	int32_t minimum = result->count > 0 ? result->minimum : INT32_MAX;
	int32_t maximum = result->count > 0 ? result->maximum : INT32_MIN;
	uint64_t sum = result->sum;	/* unsigned: it may wrap */

	(void)parameters;
	(void)out;
	*out_bytes = 0;
	for (uint64_t i = 0; i < count; i++) {
		int32_t temperature = native_temperature_at(input + i * RECORD_BYTES);

		minimum = temperature < minimum ? temperature : minimum;
		maximum = temperature > maximum ? temperature : maximum;
		sum += (int64_t)temperature;
	}
	if (count > 0) {
		*result = (struct csd_aggregate_state) {
			.count = result->count + count, .sum = sum, .minimum = minimum, .maximum = maximum,
		};
	}
	return 0;
}

static uint64_t
native_run_histogram(const uint8_t *input, uint64_t bytes, const struct csd_parameters *parameters, void *state,
		     uint8_t *out, uint64_t *out_bytes)
{
	struct csd_histogram_state *histogram = state;
	const int64_t start = (int32_t)(uint32_t)parameters->cparam1;
	const unsigned int width = parameters->cparam1 >> 32 & 63;

	(void)out;
	*out_bytes = 0;
	for (uint64_t i = 0; i < bytes / RECORD_BYTES; i++) {
		int64_t bin = (native_temperature_at(input + i * RECORD_BYTES) - start) >> width;

		histogram->bins[bin < 0 ? 0 : bin > 63 ? 63 : bin]++;
	}
	return 0;
}

static uint64_t
native_run_sample(const uint8_t *input, uint64_t bytes, const struct csd_parameters *parameters, void *state,
		  uint8_t *out, uint64_t *out_bytes)
{
	const uint64_t count = bytes / RECORD_BYTES;
	const uint64_t skip = parameters->cparam1 > 0 ? parameters->cparam1 - 1 : 0;
	uint64_t *left = &((struct csd_sample_state *)state)->skip;
	uint64_t at = 0, kept = 0;

	/* From one kept record to the next; nothing between them is read. */
	while (*left < count - at) {
		at += *left;
		memcpy(out + kept * RECORD_BYTES, input + at * RECORD_BYTES, RECORD_BYTES);
		kept++;
		at++;
		*left = skip;
	}
	*left -= count - at;
	*out_bytes = kept * RECORD_BYTES;
	return kept;
}

static uint64_t
native_run_top(const uint8_t *input, uint64_t bytes, const struct csd_parameters *parameters, void *state,
	       uint8_t *out, uint64_t *out_bytes)
{
	struct csd_top_state *top = state;
	int64_t hottest = top->found ? native_temperature_at(top->record) : INT64_MIN;
	const uint8_t *found = NULL;

	(void)parameters;
	(void)out;
	*out_bytes = 0;
	for (uint64_t i = 0; i < bytes / RECORD_BYTES; i++) {
		const uint8_t *record = input + i * RECORD_BYTES;

		if (native_temperature_at(record) > hottest) {
			hottest = native_temperature_at(record);
			found = record;
		}
	}
	if (found != NULL) {
		top->found = 1;
		memcpy(top->record, found, RECORD_BYTES);
	}
	return 0;
}

const struct csd_native csd_natives[] = {
	{"threshold", RECORD_BYTES, RECORD_BYTES, 0, CSD_EMIT_RECORD, native_run_threshold},
	{"search", 79, 64, 0, CSD_EMIT_OFFSET, native_run_search},
	{"aggregate", RECORD_BYTES, RECORD_BYTES, sizeof(struct csd_aggregate_state), CSD_EMIT_NOTHING,
	 native_run_aggregate},
	{"histogram", RECORD_BYTES, RECORD_BYTES, sizeof(struct csd_histogram_state), CSD_EMIT_NOTHING,
	 native_run_histogram},
	{"sample", RECORD_BYTES, RECORD_BYTES, sizeof(struct csd_sample_state), CSD_EMIT_RECORD, native_run_sample},
	{"top", RECORD_BYTES, RECORD_BYTES, sizeof(struct csd_top_state), CSD_EMIT_NOTHING, native_run_top},
	{0},
};

const struct csd_native *
csd_native_find(const char *name)
{
	for (const struct csd_native *native = csd_natives; native->name != NULL; native++) {
		if (strcmp(native->name, name) == 0) {
			return native;
		}
	}
	return NULL;
}

uint64_t
csd_native_overlap(const struct csd_native *native, const struct csd_parameters *parameters)
{
	uint8_t pattern[CSD_SEARCH_MAX_PATTERN];

	return native->run == native_run_search ? native_search_pattern(parameters, pattern) - 1 : 0;
}
