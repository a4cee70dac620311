/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Each shipped program gives, through the engine, what its plain C reference gives: the same items, matches and state;
 * compiled and interpreted, in one slice and in many, with a full output and without. Argument: the folder of *.bpf.o.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csd_engine.h"
#include "csd_native.h"
#include "csd_record.h"
#include "csd_ways.h"

#define CHECK(condition, ...) do { \
	g_checks++; \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: not true: %s: ", __FILE__, __LINE__, #condition); \
		fprintf(stderr, __VA_ARGS__); \
		fputc('\n', stderr); \
		exit(1); \
	} \
} while (0)

static uint64_t g_checks;
static const char *g_folder;

/* Small and repeatable; what it draws is of no importance. */
static uint64_t g_draws = 1;

static uint64_t
draw(uint64_t below)
{
	g_draws ^= g_draws << 13;
	g_draws ^= g_draws >> 7;
	g_draws ^= g_draws << 17;
	return below == 0 ? g_draws : g_draws % below;
}

static void *
allocate(size_t bytes)
{
	void *memory = calloc(1, bytes > 0 ? bytes : 1);

	CHECK(memory != NULL, "%zu bytes", bytes);
	return memory;
}

static void *
read_file(const char *path, size_t *length)
{
	FILE *file = fopen(path, "rb");
	void *bytes = allocate(CSD_MAX_PROGRAM_BYTES);

	CHECK(file != NULL, "%s: %s", path, strerror(errno));
	*length = fread(bytes, 1, CSD_MAX_PROGRAM_BYTES, file);
	CHECK(*length > 0 && *length < CSD_MAX_PROGRAM_BYTES, "%s", path);
	fclose(file);
	return bytes;
}

struct loaded {
	struct csd_program *program;
	struct csd_instance *instance;
	const struct csd_program_info *info;
};

static struct loaded
load_bytes(const char *name, const void *bytes, size_t length, const struct csd_load_options *options)
{
	char reason[CSD_REASON_BYTES];
	struct loaded loaded;
	int rc = csd_program_load(bytes, length, options, &loaded.program, reason);

	CHECK(rc == 0, "%s: %s", name, reason);
	loaded.instance = csd_instance_create(loaded.program);
	CHECK(loaded.instance != NULL, "%s", name);
	loaded.info = csd_program_info(loaded.program);
	return loaded;
}

static struct loaded
load(const char *name, bool interpret)
{
	struct csd_load_options options = {.interpret = interpret};
	struct loaded loaded;
	char path[4096];
	size_t length;
	void *bytes;

	snprintf(path, sizeof(path), "%s/%s.bpf.o", g_folder, name);
	bytes = read_file(path, &length);
	loaded = load_bytes(name, bytes, length, &options);
	free(bytes);
	return loaded;
}

static void
unload(struct loaded *loaded)
{
	csd_instance_destroy(loaded->instance);
	csd_program_unload(loaded->program);
}

struct result {
	uint64_t matches;
	uint64_t out_bytes;
	uint8_t *out;
	uint64_t state[CSD_MAX_STATE_BYTES / 8];
};

/* What the reference says; `out` is exactly as large as it needs to be, so that ASan sees the engine write behind it. */
static void
expect(const struct csd_native *native, const uint8_t *input, uint64_t bytes, const struct csd_run_parameters *given,
       struct result *result)
{
	struct csd_parameters *parameters = allocate(sizeof(*parameters));
	uint64_t room = native->emit == CSD_EMIT_OFFSET ? bytes * 8 : bytes;
	uint8_t *out = allocate(room);

	memset(result, 0, sizeof(*result));
	if (given->state != NULL) {
		memcpy(result->state, given->state, native->state_bytes);
	}
	parameters->cparam1 = given->cparam1;
	parameters->cparam2 = given->cparam2;
	parameters->data_bytes = given->data_bytes;
	if (given->data_bytes > 0) {
		memcpy(parameters->data, given->data, given->data_bytes);
	}
	result->matches = native->run(input, bytes, parameters, result->state, out, &result->out_bytes);
	CHECK(result->out_bytes <= room, "%s", native->name);
	result->out = allocate(result->out_bytes);
	memcpy(result->out, out, result->out_bytes);
	free(out);
	free(parameters);
}

/*
 * Runs over `input` in slices of at most slice_bytes, copied to memory of their own size at a drawn alignment, with
 * room for `items` kept items at a time (0: for all), as a target does that reads block after block.
 */
static void
check_run(const struct csd_native *native, struct loaded *loaded, const uint8_t *input, uint64_t bytes,
	  const struct csd_run_parameters *given, const struct result *expected, uint64_t slice_bytes, uint64_t items)
{
	uint64_t item_bytes = loaded->info->emit_bytes;
	uint64_t room = items == 0 ? expected->out_bytes + item_bytes : items * item_bytes;
	uint64_t at = 0, matches = 0, out_bytes = 0;
	uint8_t *out = allocate(room);

	CHECK(csd_instance_begin(loaded->instance, given) == 0, "%s", native->name);
	for (;;) {
		uint64_t left = bytes > at ? bytes - at : 0;
		uint64_t region_bytes = left < slice_bytes ? left : slice_bytes;
		uint64_t shift = draw(8);
		uint8_t *region = allocate(shift + region_bytes);
		struct csd_slice slice = {
			.region = region + shift, .region_bytes = region_bytes, .region_offset = at,
			.out = out, .out_bytes = room, .last = region_bytes == left,
		};
		enum csd_slice_end end;

		memcpy(region + shift, input + (bytes > at ? at : bytes), region_bytes);
		end = csd_instance_run(loaded->instance, &slice);
		free(region);
		CHECK(end != CSD_SLICE_STOPPED, "%s", native->name);
		CHECK(slice.emitted_bytes == slice.matches * item_bytes || native->emit == CSD_EMIT_NOTHING, "%s", native->name);
		CHECK(out_bytes + slice.emitted_bytes <= expected->out_bytes, "%s: more than the reference", native->name);
		CHECK(memcmp(out, expected->out + out_bytes, slice.emitted_bytes) == 0,
		      "%s: items differ in a slice at %lu of %lu, %lu bytes", native->name, at, bytes, region_bytes);
		matches += slice.matches;
		out_bytes += slice.emitted_bytes;
		at += slice.consumed;
		if (end == CSD_SLICE_FULL) {
			CHECK(items > 0 && slice.emitted_bytes == room, "%s: full with room left", native->name);
			continue;
		}
		if (slice.last) {
			break;
		}
		CHECK(slice.consumed > 0, "%s: no progress", native->name);
	}
	CHECK(matches == expected->matches, "%s: %lu matches, not %lu", native->name, matches, expected->matches);
	CHECK(out_bytes == expected->out_bytes, "%s: %lu bytes, not %lu", native->name, out_bytes, expected->out_bytes);
	CHECK(memcmp(csd_instance_state(loaded->instance), expected->state, loaded->info->state_bytes) == 0,
	      "%s: state differs", native->name);
	free(out);
}

/* The three: one program by JIT, interpreted, and its source compiled natively. */
struct subject {
	const struct csd_native *native;
	struct loaded compiled;
	struct loaded interpreted;
	const struct csd_control *control;
};

static void
check_subject(struct subject *subject, const uint8_t *input, uint64_t bytes, const struct csd_run_parameters *given)
{
	static const uint64_t slices[] = {128, 200, 1000, 4096, 65536, UINT64_MAX};
	struct result expected;

	expect(subject->native, input, bytes, given, &expected);
	for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
		if (bytes / slices[i] > 1000) {
			continue;
		}
		check_run(subject->native, &subject->compiled, input, bytes, given, &expected, slices[i], 0);
		check_run(subject->native, &subject->compiled, input, bytes, given, &expected, slices[i], 1 + draw(7));
	}
	check_run(subject->native, &subject->interpreted, input, bytes, given, &expected, UINT64_MAX, 0);
	check_run(subject->native, &subject->interpreted, input, bytes, given, &expected, 128 + draw(4096), 1 + draw(7));
	free(expected.out);
}

/* The ways of csd_engine_bench agree too, so that it compares like with like. */
static void
check_ways(struct subject *subject, const uint8_t *bytes, uint64_t length, const struct csd_run_parameters *given)
{
	struct csd_input input = {.bytes = bytes, .length = length, .slice_bytes = 4096, .out_bytes = 8 * 4096 + 4096};
	struct csd_outcome engine, control, inlined, reference;

	input.out = allocate(input.out_bytes);
	csd_way_engine(subject->compiled.instance, subject->compiled.info->state_bytes, given, &input, true, &engine);
	csd_way_control(subject->control, false, given, &input, true, &control);
	csd_way_control(subject->control, true, given, &input, true, &inlined);
	csd_way_reference(subject->native, given, &input, true, &reference);
	CHECK(memcmp(&engine, &reference, sizeof(engine)) == 0, "%s: engine", subject->native->name);
	CHECK(memcmp(&control, &reference, sizeof(engine)) == 0, "%s: control", subject->native->name);
	CHECK(memcmp(&inlined, &reference, sizeof(engine)) == 0, "%s: inlined", subject->native->name);
	free(input.out);
}

static void
fill_random(uint8_t *bytes, uint64_t length, unsigned int symbols)
{
	for (uint64_t i = 0; i < length; i++) {
		bytes[i] = draw(symbols);
	}
}

/* Lengths around records, windows and nothing at all. */
static const uint64_t lengths[] = {
	0, 1, 7, 15, 16, 17, 63, 64, 65, 78, 79, 80, 127, 128, 129, 142, 143, 144, 191, 192, 207, 255, 640, 1000, 4096, 5000,
};

static void
test_records(struct subject *subject, const struct csd_run_parameters *parameters, size_t count)
{
	enum { RECORDS = 3000 };
	struct csd_record *records = allocate(RECORDS * sizeof(*records));
	struct csd_dataset set;
	uint8_t *random = allocate(5000);

	csd_dataset_init(&set, RECORDS, 7);
	csd_dataset_fill(&set, 0, RECORDS, records);
	fill_random(random, 5000, 256);
	for (size_t i = 0; i < count; i++) {
		check_subject(subject, (const uint8_t *)records, RECORDS * sizeof(*records), &parameters[i]);
		check_ways(subject, (const uint8_t *)records, RECORDS * sizeof(*records), &parameters[i]);
		for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
			check_subject(subject, (const uint8_t *)records, lengths[k], &parameters[i]);
			check_subject(subject, random, lengths[k], &parameters[i]);
		}
	}
	free(random);
	free(records);
}

static void
test_threshold(struct subject *subject)
{
	struct csd_run_parameters parameters[CSD_SELECTIVITIES + 6] = {
		{.cparam1 = 0}, {.cparam1 = (uint64_t)-1}, {.cparam1 = INT64_MAX}, {.cparam1 = (uint64_t)INT64_MIN},
		{.cparam1 = INT32_MAX}, {.cparam1 = (uint64_t)INT32_MIN},
	};

	for (unsigned int i = 0; i < CSD_SELECTIVITIES; i++) {
		parameters[6 + i].cparam1 = (int64_t)csd_selectivities[i].threshold;
	}
	test_records(subject, parameters, CSD_SELECTIVITIES + 6);
}

static void
test_aggregate(struct subject *subject)
{
	/* Also going on from a state, and one whose sum is about to wrap. */
	static const struct csd_aggregate_state states[] = {
		{.count = 3, .sum = -9, .minimum = -5, .maximum = 20},
		{.count = UINT64_MAX - 5000, .sum = INT64_MAX, .minimum = INT32_MIN, .maximum = INT32_MAX},
		{.count = 0, .sum = 0, .minimum = 77, .maximum = 77},
	};
	struct csd_run_parameters parameters[] = {
		{.cparam1 = 0}, {.state = &states[0]}, {.state = &states[1]}, {.state = &states[2]},
	};

	test_records(subject, parameters, 4);
}

static void
test_histogram(struct subject *subject)
{
	static struct csd_histogram_state full;
	struct csd_run_parameters parameters[] = {
		{.cparam1 = CSD_HISTOGRAM(-40000, 12)}, {.cparam1 = CSD_HISTOGRAM(0, 0)}, {.cparam1 = CSD_HISTOGRAM(20000, 8)},
		{.cparam1 = CSD_HISTOGRAM(INT32_MIN, 26)}, {.cparam1 = CSD_HISTOGRAM(INT32_MIN, 0)},
		{.cparam1 = CSD_HISTOGRAM(INT32_MAX, 0)}, {.cparam1 = CSD_HISTOGRAM(INT32_MAX, 63)},
		{.cparam1 = UINT64_MAX}, {.cparam1 = CSD_HISTOGRAM(0, 31)}, {.cparam1 = CSD_HISTOGRAM(0, 32), .state = &full},
	};

	memset(&full, 0xff, sizeof(full));
	test_records(subject, parameters, sizeof(parameters) / sizeof(parameters[0]));
}

static void
test_sample(struct subject *subject)
{
	static const struct csd_sample_state skip = {.skip = 5}, never = {.skip = UINT64_MAX};
	struct csd_run_parameters parameters[] = {
		{.cparam1 = 0}, {.cparam1 = 1}, {.cparam1 = 2}, {.cparam1 = 3}, {.cparam1 = 1000}, {.cparam1 = 3000},
		{.cparam1 = 3001}, {.cparam1 = UINT64_MAX}, {.cparam1 = 4, .state = &skip}, {.cparam1 = 4, .state = &never},
	};

	test_records(subject, parameters, sizeof(parameters) / sizeof(parameters[0]));
}

static void
test_top(struct subject *subject)
{
	struct csd_run_parameters parameters[2] = {{.cparam1 = 0}};
	struct csd_top_state top = {.found = 1};
	const int32_t hottest = INT32_MAX;
	struct csd_record *equals = allocate(300 * sizeof(*equals));

	memcpy(top.record + 20, &hottest, sizeof(hottest));
	parameters[1].state = &top;
	test_records(subject, parameters, 2);

	/* The first of equals, also of the coldest; and whatever comes first when all are. */
	for (unsigned int i = 0; i < 300; i++) {
		equals[i] = (struct csd_record) {.id = i, .temperature = i % 100 == 50 ? 7 : INT32_MIN};
	}
	check_subject(subject, (const uint8_t *)equals, 300 * sizeof(*equals), &parameters[0]);
	check_subject(subject, (const uint8_t *)equals, 40 * sizeof(*equals), &parameters[0]);
	free(equals);
}

/* Patterns of every length at every position of inputs of every length, and in texts of few letters, where they abound. */
static void
test_search(struct subject *subject)
{
	struct csd_run_parameters given = {.cparam1 = 0};
	struct csd_record *records = allocate(1000 * sizeof(*records));
	uint8_t *input = allocate(5000), pattern[CSD_DATA_BYTES];
	struct csd_dataset set;

	given.data = pattern;
	for (uint32_t length = 1; length <= 17; length++) {
		given.data_bytes = length;
		for (uint32_t bytes = 0; bytes <= 300; bytes += bytes < 170 ? 1 : 13) {
			/* In a sea of one other byte, at a drawn place and at the very end. */
			fill_random(pattern, length, 256);
			memset(input, pattern[0] ^ 0x80, bytes);
			if (bytes >= length) {
				memcpy(input + draw(bytes - length + 1), pattern, length);
				check_subject(subject, input, bytes, &given);
				memcpy(input + bytes - length, pattern, length);
			}
			check_subject(subject, input, bytes, &given);
			/* Cut off by the end, and zeros, which windows are filled up with. */
			memset(pattern, 0, length);
			check_subject(subject, input, bytes, &given);
			memset(input, 0, bytes);
			check_subject(subject, input, bytes, &given);
		}
		for (unsigned int symbols = 1; symbols <= 4; symbols++) {
			fill_random(input, 5000, symbols);
			fill_random(pattern, length, symbols);
			check_subject(subject, input, 1000 + draw(200), &given);
			check_ways(subject, input, 5000, &given);
		}
	}
	for (uint32_t position = 0; position < 200; position++) {
		memset(input, 'x', 260);
		memset(pattern, 'y', 16);
		memset(input + position, 'y', 16);
		given.data_bytes = 1 + position % 16;
		check_subject(subject, input, 200, &given);
		check_subject(subject, input, 260, &given);
	}

	/* Only so many of the data count; 0 and 16 are all. */
	given.data_bytes = 16;
	fill_random(input, 5000, 3);
	fill_random(pattern, 16, 3);
	for (given.cparam1 = 0; given.cparam1 <= 16; given.cparam1++) {
		memcpy(input + 700, pattern, given.cparam1);
		check_subject(subject, input, 1000, &given);
		given.data_bytes = given.data_bytes == 16 ? 8 : 16;
	}

	/* cparam1 as the pattern, and more data than a pattern can have. */
	csd_dataset_init(&set, 1000, 3);
	csd_dataset_fill(&set, 0, 1000, records);
	given = (struct csd_run_parameters) {.cparam1 = records[500].payload[2]};
	check_subject(subject, (uint8_t *)records, 1000 * sizeof(*records), &given);
	given.cparam1 = 0;
	check_subject(subject, (uint8_t *)records, 1000 * sizeof(*records), &given);
	given.data = &records[700].payload[1];
	for (given.data_bytes = 1; given.data_bytes <= 24; given.data_bytes++) {
		check_subject(subject, (uint8_t *)records, 1000 * sizeof(*records), &given);
		check_ways(subject, (uint8_t *)records, 1000 * sizeof(*records), &given);
	}
	memset(pattern, 'z', CSD_DATA_BYTES);
	memset(input, 'z', 300);
	given.data = pattern;
	given.data_bytes = CSD_DATA_BYTES;
	check_subject(subject, input, 300, &given);
	free(input);
	free(records);
}

/* The geometry that clang wrote is the one that the reference says. */
static void
check_geometry(const struct subject *subject)
{
	const struct csd_native *native = subject->native;
	const struct csd_program_info *info = subject->compiled.info;

	CHECK(strcmp(info->kind, "csd/record") == 0, "%s: %s", native->name, info->kind);
	CHECK(info->jit, "%s: %s", native->name, info->engine);
	CHECK(!subject->interpreted.info->jit, "%s", native->name);
	CHECK(info->record_bytes == native->record_bytes, "%s: %u", native->name, info->record_bytes);
	CHECK(info->stride_bytes == native->stride_bytes, "%s: %u", native->name, info->stride_bytes);
	CHECK(info->state_bytes == native->state_bytes, "%s: %u", native->name, info->state_bytes);
	CHECK(info->emit == native->emit, "%s: %u", native->name, info->emit);
}

static void
test_program(const char *name, void (*test)(struct subject *subject))
{
	struct subject subject = {.native = csd_native_find(name)};

	CHECK(subject.native != NULL, "%s", name);
	subject.control = csd_control_find(name);
	CHECK(subject.control != NULL, "%s", name);
	subject.compiled = load(name, false);
	subject.interpreted = load(name, true);
	check_geometry(&subject);
	test(&subject);
	unload(&subject.interpreted);
	unload(&subject.compiled);
	printf("%s: %s ok\n", __FILE__, name);
}

/* docs/programs.md shows this stream: keep every record whose first byte is not zero, and count them in the state. */
static void
test_bare(bool interpret)
{
	static const struct {
		uint8_t code, registers;	/* destination, source << 4 */
		int16_t offset;
		int32_t immediate;
	} stream[] = {
		{0x71, 0x13, 0, 0},	/* r3 = *(u8 *)(r1 + 0) */
		{0xb7, 0x00, 0, 0},	/* r0 = 0 */
		{0x15, 0x03, 6, 0},	/* if r3 == 0 goto exit */
		{0x18, 0x12, 0, 2},	/* r2 = address of the state ... */
		{0x00, 0x00, 0, 0},	/* ... at offset 0 */
		{0x79, 0x23, 0, 0},	/* r3 = *(u64 *)(r2 + 0) */
		{0x07, 0x03, 0, 1},	/* r3 += 1 */
		{0x7b, 0x32, 0, 0},	/* *(u64 *)(r2 + 0) = r3 */
		{0xb7, 0x00, 0, 1},	/* r0 = 1 */
		{0x95, 0x00, 0, 0},	/* exit */
	};
	struct csd_load_options options = {
		.interpret = interpret, .record_bytes = 4, .stride_bytes = 4, .state_bytes = 8, .emit = CSD_EMIT_RECORD,
	};
	const struct csd_run_parameters parameters = {.cparam1 = 0};
	uint8_t input[4001], out[4000], expected[4000];
	uint64_t kept = 0, state;
	struct loaded loaded;

	fill_random(input, sizeof(input), 2);
	for (unsigned int i = 0; i < 1000; i++) {
		if (input[4 * i] != 0) {
			memcpy(expected + 4 * kept++, input + 4 * i, 4);
		}
	}
	for (int defaults = 0; defaults < 2; defaults++) {
		struct csd_slice slice = {
			.region = input, .region_bytes = sizeof(input), .out = out, .out_bytes = sizeof(out), .last = true,
		};

		if (defaults) {
			options = (struct csd_load_options) {.interpret = interpret};
		}
		loaded = load_bytes("bare", stream, sizeof(stream), &options);
		CHECK(csd_instance_begin(loaded.instance, &parameters) == 0, "bare");
		CHECK(csd_instance_run(loaded.instance, &slice) == CSD_SLICE_USED, "bare");
		if (defaults) {
			CHECK(loaded.info->record_bytes == 64 && loaded.info->state_bytes == 64, "bare");
			CHECK(slice.records == 62 && slice.consumed == 62 * 64, "bare: %lu", slice.records);
		} else {
			memcpy(&state, csd_instance_state(loaded.instance), sizeof(state));
			CHECK(slice.records == 1000 && slice.matches == kept && state == kept, "bare: %lu", slice.matches);
			CHECK(memcmp(out, expected, 4 * kept) == 0, "bare");
		}
		unload(&loaded);
	}
}

/*
 * Every form in which the engine goes through records: a program with one exit and with two, that keeps records whose
 * first byte is 1 or 2 and stops behind the first with 2, over records of many sizes.
 */
static void
test_geometry(bool interpret, bool two_exits, uint32_t record_bytes, uint32_t stride_bytes, uint32_t emit)
{
	static const uint64_t one[] = {
		0x0000000000001371,	/* r3 = *(u8 *)(r1 + 0) */
		0x00000000000000b7,	/* r0 = 0 */
		0x0000000000040315,	/* if r3 == 0 goto exit */
		0x00000001000000b7,	/* r0 = CSD_KEEP */
		0x0000000100020315,	/* if r3 == 1 goto exit */
		0x00000003000000b7,	/* r0 = CSD_KEEP_AND_STOP */
		0x0000000000000005,	/* goto exit */
		0x0000000000000095,	/* exit */
	};
	static const uint64_t two[] = {
		0x0000000000001371,	/* r3 = *(u8 *)(r1 + 0) */
		0x0000000200020355,	/* if r3 != 2 goto other */
		0x00000003000000b7,	/* r0 = CSD_KEEP_AND_STOP */
		0x0000000000000095,	/* exit */
		0x00000000000030bf,	/* other: r0 = r3 */
		0x0000000000000095,	/* exit */
	};
	const struct csd_load_options options = {
		.interpret = interpret, .record_bytes = record_bytes, .stride_bytes = stride_bytes, .state_bytes = 8,
		.emit = emit,
	};
	const struct csd_run_parameters parameters = {.cparam1 = 0};
	const uint64_t bytes = 40 * (uint64_t)stride_bytes + draw(stride_bytes), last = draw(45), items = 1 + draw(12);
	uint64_t at = 0, seen = 0, item_bytes;
	uint8_t *input = allocate(bytes), *out;
	enum csd_slice_end end;
	struct loaded loaded;

	fill_random(input, bytes, 2);
	for (uint64_t i = 0; i * stride_bytes < bytes; i++) {
		input[i * stride_bytes] = i == last ? 2 : draw(2);
	}
	loaded = load_bytes("bare", two_exits ? two : one, two_exits ? sizeof(two) : sizeof(one), &options);
	item_bytes = loaded.info->emit_bytes;
	out = allocate(items * item_bytes);
	CHECK(csd_instance_begin(loaded.instance, &parameters) == 0, "bare");
	do {
		struct csd_slice slice = {
			.region = input + at, .region_bytes = at < bytes ? bytes - at : 0, .region_offset = at,
			.out = out, .out_bytes = items * item_bytes, .last = true,
		};
		uint64_t kept = 0;

		end = csd_instance_run(loaded.instance, &slice);
		for (uint64_t i = 0; i < slice.records; i++, seen++) {
			const uint64_t offset = seen * stride_bytes;

			if (input[offset] == 0) {
				continue;
			}
			CHECK(emit == CSD_EMIT_NOTHING || memcmp(out + kept * item_bytes, emit == CSD_EMIT_RECORD ?
			      (const void *)(input + offset) : (const void *)&offset, item_bytes) == 0, "record %lu", seen);
			kept++;
			CHECK((seen == last) == (end == CSD_SLICE_STOPPED && i == slice.records - 1), "record %lu", seen);
		}
		CHECK(slice.matches == kept && slice.emitted_bytes == kept * item_bytes, "%lu", slice.matches);
		CHECK(slice.consumed == slice.records * stride_bytes, "%lu", slice.consumed);
		at += slice.consumed;
		CHECK(end != CSD_SLICE_FULL || kept == items, "full with room left");
	} while (end == CSD_SLICE_FULL);
	CHECK(end == CSD_SLICE_STOPPED ? seen == last + 1 : bytes < at + record_bytes, "%lu records seen", seen);
	free(out);
	free(input);
	unload(&loaded);
}

static void
test_geometries(void)
{
	static const uint32_t sizes[] = {1, 3, 8, 15, 16, 17, 48, 64, 65, 240, 256, 272, 4096};

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]) * 24; i++) {
		uint32_t size = sizes[i / 24];
		uint32_t stride = i / 12 % 2 == 0 ? size : 1 + draw(2 * size);

		test_geometry(i % 2 == 0, i / 2 % 2 == 0, size, stride, i / 4 % 3);
	}
	printf("%s: geometries ok\n", __FILE__);
}

int
main(int argc, char **argv)
{
	CHECK(argc == 2, "usage: test_programs FOLDER");
	g_folder = argv[1];
	test_program("threshold", test_threshold);
	test_program("aggregate", test_aggregate);
	test_program("histogram", test_histogram);
	test_program("sample", test_sample);
	test_program("top", test_top);
	test_program("search", test_search);
	test_bare(false);
	test_bare(true);
	printf("%s: bare stream ok\n", __FILE__);
	test_geometries();
	printf("%lu checks\n", g_checks);
	return 0;
}
