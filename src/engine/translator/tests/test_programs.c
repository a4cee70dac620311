/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Programs in C, compiled by clang for each eBPF that it knows, translated by csd_translate and compiled: over the same
 * data they do what the same source does natively, record by record and in parts (parts.h); and the ones that users wrote first
 * give what plain C here says.
 *
 *	test_programs FOLDER WAY...	FOLDER/WAY/NAME.so translated, FOLDER/native/NAME.so not
 */
#include <dlfcn.h>

#include "chance.h"
#include "csd_bpf.h"
#include "data.h"
#include "parts.h"
#include "run.h"
#include "test.h"

#define LOOP_BYTES	(1 << 20)
#define PARTS_RECORDS	5000

struct records {
	const char *name;
	uint32_t bytes, count, state_bytes;
	struct csd_parameters parameters;
	void (*fill)(uint8_t *record, uint64_t number);		/* NULL: chance */
	/* What plain C finds: the state, and how many are kept. NULL: the native program alone says. */
	uint64_t (*answer)(const uint8_t *records, uint64_t count, const struct csd_parameters *parameters, uint64_t *state);
	uint64_t emits;		/* bytes that the program itself may emit for a record */
};

/* --- the ones that users wrote first --- */

static void
fill_visit(uint8_t *record, uint64_t number)
{
	uint64_t words[2] = {(chance() << 16 ^ chance()) & ((1ULL << 61) - 1), number};

	memcpy(record, words, sizeof(words));
}

static uint64_t
answer_day_hours(const uint8_t *records, uint64_t count, const struct csd_parameters *parameters, uint64_t *state)
{
	(void)parameters;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t time;

		memcpy(&time, records + i * 16, 8);
		state[time / 1000000000 / 3600 % 24]++;
	}
	return 0;
}

static uint64_t
answer_over_limit(const uint8_t *records, uint64_t count, const struct csd_parameters *parameters, uint64_t *state)
{
	for (uint64_t i = 0; i < count * 16; i++) {
		uint32_t value;

		memcpy(&value, records + i * 4, 4);
		state[0] += value > parameters->cparam1 ? 1 : 0;
	}
	return 0;
}

static void
fill_item(uint8_t *record, uint64_t number)
{
	uint32_t words[2] = {below(5000), number};

	memcpy(record, words, sizeof(words));
}

static uint64_t
answer_one_of(const uint8_t *records, uint64_t count, const struct csd_parameters *parameters, uint64_t *state)
{
	uint64_t kept = 0;

	(void)state;
	for (uint64_t i = 0; i < count; i++) {
		bool found = false;

		for (uint32_t k = 0; k < parameters->data_bytes; k += 4) {
			found |= memcmp(parameters->data + k, records + i * 8, 4) == 0;
		}
		kept += found;
	}
	return kept;
}

static void
fill_vector(uint8_t *record, uint64_t number)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t word = chance();

		memcpy(record + 8 + i * 4, &word, 4);
	}
	memcpy(record, &number, 8);
}

static uint64_t
answer_closest(const uint8_t *records, uint64_t count, const struct csd_parameters *parameters, uint64_t *state)
{
	static const uint64_t weights[] = {1, 3, 2, 5};

	state[0] = UINT64_MAX;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t far = 0;

		for (uint32_t k = 0; k < 255; k++) {
			int32_t value;

			memcpy(&value, records + i * 1032 + 8 + k * 4, 4);
			far += llabs(value - (int64_t)parameters->cparam1) * weights[k & 3];
		}
		if (far < state[0]) {
			state[0] = far;
			state[1] = i;
		}
	}
	state[2] = count;
	return 0;
}

static void
fill_line(uint8_t *record, uint64_t number)
{
	static const char *const begins[] = {
		"ERROR: disk failure, slot 7", "ERROR: disk failure, SLOT 7", "ERROR: disk failure, slo", "INFO: all is well", "",
	};
	const char *text = begins[below(5)];

	(void)number;
	memset(record, ' ', 64);
	memcpy(record, text, strlen(text));
}

static uint64_t
answer_error_line(const uint8_t *records, uint64_t count, const struct csd_parameters *parameters, uint64_t *state)
{
	uint64_t kept = 0;

	(void)parameters;
	(void)state;
	for (uint64_t i = 0; i < count; i++) {
		kept += strncmp((const char *)records + i * 64, "ERROR: disk failure, slot", 25) == 0;
	}
	return kept;
}

/* --- all --- */

static const uint32_t wanted[] = {3, 17, 999, 4096, 4999, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110};

static struct records all_records[] = {
	{"day_hours", 16, 100000, 192, {.cparam1 = 0}, fill_visit, answer_day_hours, 0},
	{"over_limit", 64, 50000, 8, {.cparam1 = 1073741823}, NULL, answer_over_limit, 0},
	{"one_of", 8, 200000, 0, {.data_bytes = sizeof(wanted)}, fill_item, answer_one_of, 0},
	{"closest", 1032, 2000, 24, {.cparam1 = 1000}, fill_vector, answer_closest, 0},
	{"error_line", 64, 100000, 0, {.cparam1 = 0}, fill_line, answer_error_line, 0},
	{"all_kinds", 64, 20000, 64, {.cparam1 = 0}, NULL, NULL, 0},
	{"calls", 32, 20000, 64, {.cparam1 = 0}, NULL, NULL, 0},
	{"emits", 32, 20000, 24, {.cparam1 = 0}, NULL, NULL, 81},
	{"maps", 8, 60000, 72, {.cparam1 = 0}, NULL, NULL, 0},
	{"trace", 24, 20000, 16, {.cparam1 = 0}, NULL, NULL, 0},
	{"any", 24, 20000, 24, {.cparam1 = 3, .cparam2 = 100, .record_bytes = 24}, NULL, NULL, 0},
	{"helpers", 64, 50000, 160, {.cparam1 = 0}, NULL, NULL, 0},
	/* The shipped ones. */
	{"threshold", 64, 20000, 0, {.cparam1 = 5}, NULL, NULL, 0},
	{"search", 79, 5000, 0, {.data_bytes = 2, .record_bytes = 79, .data = {7, 7}}, NULL, NULL, 0},
	{"aggregate", 64, 20000, 24, {.cparam1 = 0}, NULL, NULL, 0},
	{"histogram", 64, 20000, 512, {.cparam1 = 28ULL << 32 | 0x80000000}, NULL, NULL, 0},
	{"sample", 64, 20000, 8, {.cparam1 = 3}, NULL, NULL, 0},
	{"top", 64, 20000, 72, {.cparam1 = 0}, NULL, NULL, 0},
};

static const char *const loops[] = {
	"count_range", "extremes", "filter", "byte_histogram", "csv_column", "json_lines", "substring", "crc32c", "group_by", "kmeans",
};

static uint64_t count_of_parts;

/* Both sides of a program; its input are the first records, and a piece of one. */
static struct parts
open_parts(const struct records *records, void *library, void *control, const uint8_t *input)
{
	uint64_t count = records->count < PARTS_RECORDS ? records->count : PARTS_RECORDS;
	struct parts parts = {
		.name = records->name, .geometry = parts_symbol(control, "csd_program_geometry"),
		.parameters = &records->parameters, .state_bytes = records->state_bytes, .input = input,
		.bytes = (uint64_t)records->bytes * count - records->bytes / 3, .most_out = records->emits * count,
		.keeps_more = dlsym(library, "csd_0_globals"),
	};

	parts_set_translated(&parts, library, 0);
	parts_set_native(&parts, control, records->name);
	CHECK(parts.geometry->record_bytes == records->bytes && parts.geometry->state_bytes == records->state_bytes, "%s: geometry",
	      records->name);
	return parts;
}

/* One record, given alone: whether it was kept. */
static uint64_t
check_record(const struct parts *parts, const char *cpu, const uint8_t *record, uint64_t number)
{
	static uint8_t out[2][2048];
	struct csd_call found = {.input = (uint64_t)record, .input_bytes = parts->geometry->record_bytes, .out_bytes = sizeof(out[0])};
	struct csd_call natively = found;

	found.out = (uint64_t)out[0];
	natively.out = (uint64_t)out[1];
	parts->translated.call(&found);
	parts_reference(parts, &natively);
	CHECK(found.end == natively.end && found.consumed == natively.consumed && found.matches == natively.matches &&
	      found.emitted == natively.emitted && memcmp(out[0], out[1], natively.emitted) == 0,
	      "%s for %s: record %lu: end %lu, %lu matches, %lu bytes; natively %lu, %lu, %lu, or other bytes", parts->name, cpu,
	      number, found.end, found.matches, found.emitted, natively.end, natively.matches, natively.emitted);
	CHECK(parts->state_bytes == 0 || memcmp(parts->translated.state, parts->native.state, parts->state_bytes) == 0,
	      "%s for %s: record %lu: another state than natively", parts->name, cpu, number);
	return found.matches;
}

static void
check_records(const struct records *records, const char *folder, const char *cpu)
{
	void *library = parts_open("%s/%s/%s.so", folder, cpu, records->name);
	void *control = parts_open("%s/native/%s.so", folder, records->name);
	uint8_t *input = malloc((uint64_t)records->bytes * records->count);
	struct parts parts = open_parts(records, library, control, input);
	uint64_t answer[64] = {0}, kept = 0;

	parts_begin(&parts, &parts.translated);
	parts_begin(&parts, &parts.native);
	chance_begin(1, 0);
	for (uint64_t i = 0; i < records->count; i++) {
		uint8_t *record = input + i * records->bytes;

		for (uint32_t k = 0; records->fill == NULL && k < records->bytes; k++) {
			record[k] = chance() >> 8;
		}
		if (records->fill != NULL) {
			records->fill(record, i);
		}
		kept += check_record(&parts, cpu, record, i);
	}
	if (records->answer != NULL) {
		CHECK_EQUAL(kept, records->answer(input, records->count, &records->parameters, answer));
		CHECK(records->state_bytes == 0 || memcmp(parts.translated.state, answer, records->state_bytes) == 0,
		      "%s for %s: another state than plain C finds", records->name, cpu);
	}
	for (uint64_t seed = 0; seed < 3; seed++) {
		count_of_parts += parts_compare(&parts, seed);
	}
	free(input);
	dlclose(library);
	dlclose(control);
}

static void
check_loop(const char *name, const char *folder, const char *cpu)
{
	void *library = parts_open("%s/%s/%s.so", folder, cpu, name), *control = parts_open("%s/native/%s.so", folder, name);
	uint8_t *data = malloc(LOOP_BYTES), *out = calloc(LOOP_BYTES, 1), *native_out = calloc(LOOP_BYTES, 1);
	struct loop translated, native;

	CHECK(loop_open(&translated, library, name, false) && loop_open(&native, control, name, true), "%s", dlerror());
	for (int text = 0; text < 2; text++) {
		loop_fill(data, LOOP_BYTES, text != 0);
		for (uint64_t bytes = 0; bytes <= LOOP_BYTES; bytes = bytes * 2 + 64) {
			uint64_t result = loop_run(&translated, data, bytes, out), wanted_result = loop_run(&native, data, bytes, native_out);

			CHECK(result == wanted_result, "%s for %s: %lu bytes: %#lx, natively %#lx", name, cpu, bytes, result,
			      wanted_result);
			CHECK(memcmp(out, native_out, LOOP_BYTES) == 0, "%s for %s: %lu bytes: other bytes come out than natively", name,
			      cpu, bytes);
		}
	}
	free(data);
	free(out);
	free(native_out);
	dlclose(library);
	dlclose(control);
}

int
main(int argc, char **argv)
{
	CHECK(argc > 2, "usage: test_programs FOLDER WAY...");
	for (size_t i = 0; i < sizeof(all_records) / sizeof(all_records[0]); i++) {
		if (strcmp(all_records[i].name, "one_of") == 0) {
			memcpy(all_records[i].parameters.data, wanted, sizeof(wanted));
		}
		for (int cpu = 2; cpu < argc; cpu++) {
			check_records(&all_records[i], argv[1], argv[cpu]);
		}
	}
	for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
		for (int cpu = 2; cpu < argc; cpu++) {
			check_loop(loops[i], argv[1], argv[cpu]);
		}
	}
	printf("test_programs: %zu record programs, in %lu parts, and %zu loops, each for %d ways, passed\n",
	       sizeof(all_records) / sizeof(all_records[0]), count_of_parts, sizeof(loops) / sizeof(loops[0]), argc - 2);
	return 0;
}
