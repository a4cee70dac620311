/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * One program in every geometry: records and strides of all kinds, the one larger than the other and the other way round,
 * everything that can be emitted. Translated here, compiled in one file, and run beside the native one (parts.h).
 *
 *	test_geometries FOLDER NAME COMPILER	FOLDER/v3/any.bpf.o, FOLDER/native/any.so
 */
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

#include "chance.h"
#include "csd_check.h"
#include "csd_emit.h"
#include "parts.h"
#include "test.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define MOST		256
#define INPUT_BYTES	(512 * 1024)

static struct csd_geometry geometries[MOST];
static uint32_t geometry_count;

static void
geometry_add(uint32_t record_bytes, uint32_t stride_bytes)
{
	for (uint32_t emit = CSD_EMIT_RECORD; emit <= CSD_EMIT_NOTHING + 1; emit++) {
		CHECK(geometry_count < MOST, "too many");
		geometries[geometry_count] = (struct csd_geometry) {
			.version = CSD_GEOMETRY_VERSION, .record_bytes = record_bytes, .stride_bytes = stride_bytes, .state_bytes = 24,
			.emit = emit,
		};
		if (emit > CSD_EMIT_NOTHING) {
			geometries[geometry_count].emit = CSD_EMIT_OFFSET;
			geometries[geometry_count].flags = CSD_POSITIONS;
		}
		geometry_count++;
	}
}

static void
geometry_add_all(void)
{
	static const uint32_t records[] = {1, 3, 8, 24, 64, 79, 256, 257, 1032, CSD_MAX_RECORD_BYTES};
	static const uint32_t strides[] = {1, 7, 64, 65, CSD_MAX_RECORD_BYTES};

	for (size_t r = 0; r < COUNT(records); r++) {
		geometry_add(records[r], records[r]);
		for (size_t s = 0; s < COUNT(strides); s++) {
			/* Hashing so many bytes at each byte takes too long. */
			if (strides[s] != records[r] && records[r] / strides[s] <= 1032) {
				geometry_add(records[r], strides[s]);
			}
		}
	}
}

static void
geometry_emit(const char *object_path, const char *source)
{
	static struct csd_object object;
	struct file file = read_whole(object_path);
	char reason[CSD_REASON_BYTES] = "";
	FILE *out = fopen(source, "w");

	CHECK(out != NULL, "%s", source);
	csd_emit_prelude(out);
	CHECK(csd_object_read(file.bytes, file.length, &object, reason) == 0 && csd_check(&object, reason) == 0, "%s", reason);
	for (uint32_t i = 0; i < geometry_count; i++) {
		object.geometry = geometries[i];
		CHECK(csd_emit_program(out, &object, i) == 0, "no memory");
	}
	CHECK(ferror(out) == 0 && fclose(out) == 0, "%s cannot be written", source);
	csd_object_free(&object);
	free(file.bytes);
}

/* Numbers that no input and no room can have, given all the same: nothing wraps. */
static void
geometry_extremes(struct parts *parts, const struct csd_parameters *stop)
{
	struct csd_call call = {.input = (uint64_t)parts->input, .input_bytes = UINT64_MAX, .input_offset = 1ULL << 40};
	uint64_t least = parts->geometry->emit == CSD_EMIT_NOTHING ? 0 : 1, room[8192 + 1];

	if (least > 0) {
		parts_begin(parts, &parts->translated);
		parts->translated.call(&call);
		CHECK(call.end == CSD_CALL_FULL && call.consumed == 0 && call.records == 0 && call.emitted == 0, "%s: room for nothing",
		      parts->name);
	}
	parts->parameters = stop;
	parts_begin(parts, &parts->translated);
	call.out = (uint64_t)room;
	call.out_bytes = UINT64_MAX;
	parts->translated.call(&call);
	CHECK(call.end == CSD_CALL_STOPPED && call.records == 1 && call.consumed > 0, "%s: stops at once: end %lu, %lu records",
	      parts->name, call.end, call.records);
	/* Nothing of it may be read: the last place of an address space is nobody's. */
	call.input = UINT64_MAX;
	call.input_bytes = 0;
	call.flags = CSD_CALL_LAST;
	parts->translated.call(&call);
	CHECK(call.end == CSD_CALL_USED && call.records == 0 && call.consumed == 0 && call.emitted == 0, "%s: no input", parts->name);
}

int
main(int argc, char **argv)
{
	static uint8_t input[INPUT_BYTES];
	static const struct csd_parameters parameters[] = {
		{.cparam1 = 2, .cparam2 = 128}, {.cparam1 = 0, .cparam2 = 256}, {.cparam1 = 0, .cparam2 = 0}, {.cparam1 = 64, .cparam2 = 9},
	};
	static const struct csd_parameters stop = {.cparam1 = 256, .cparam2 = 256};
	char object[512], source[512], library[512], command[4096];
	void *translated, *control;
	uint64_t count = 0;

	CHECK(argc == 4, "usage: test_geometries FOLDER NAME COMPILER");
	snprintf(object, sizeof(object), "%s/v3/any.bpf.o", argv[1]);
	snprintf(source, sizeof(source), "%s/geometries_%s.c", argv[1], argv[2]);
	snprintf(library, sizeof(library), "%s/geometries_%s.so", argv[1], argv[2]);
	geometry_add_all();
	geometry_emit(object, source);
	snprintf(command, sizeof(command), "%s -shared %s -o %s", argv[3], source, library);
	CHECK(system(command) == 0, "%s", command);
	translated = parts_open("%s", library);
	control = parts_open("%s/native/any.so", argv[1]);
	chance_begin(1, 2);
	for (size_t i = 0; i < sizeof(input); i++) {
		input[i] = chance() >> 8;
	}
	for (uint32_t i = 0; i < geometry_count; i++) {
		const struct csd_geometry *geometry = &geometries[i];
		uint64_t most = (uint64_t)geometry->stride_bytes * 300 + geometry->record_bytes;
		char name[128];
		struct parts parts = {
			.name = name, .geometry = geometry, .state_bytes = 24, .input = input,
		};

		parts_set_translated(&parts, translated, i);
		parts_set_native(&parts, control, "any");
		snprintf(name, sizeof(name), "%s: records of %u, stride %u, emit %u, flags %u", argv[2], geometry->record_bytes,
			 geometry->stride_bytes, geometry->emit, geometry->flags);
		most = most < sizeof(input) ? most : sizeof(input);
		for (uint32_t run = 0; run < COUNT(parameters); run++) {
			parts.parameters = &parameters[run];
			parts.bytes = run == 0 ? most : below(most + 1);
			count += parts_compare(&parts, run);
		}
		geometry_extremes(&parts, &stop);
	}
	dlclose(translated);
	dlclose(control);
	unlink(source);
	unlink(library);
	printf("test_geometries (%s): %u geometries, %lu parts passed\n", argv[2], geometry_count, count);
	return 0;
}
