/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * From instructions to lines of C, and what wrong records of lines give: nothing, or another line.
 *
 *	test_source WITH-LINES.bpf.o WITHOUT.bpf.o MUTANTS SEED
 */
#include "chance.h"
#include "csd_source.h"
#include "test.h"

static uint32_t
source_count(const struct file *file, const struct csd_object *object, const char *text, const char *function)
{
	uint32_t count = 0;

	for (uint32_t at = 0; at < object->count; at++) {
		struct csd_source source;

		if (csd_source_find(file->bytes, file->length, object, at, &source) && strstr(source.text, text) != NULL) {
			const char *name = strrchr(source.file, '/');

			CHECK(strcmp(csd_object_function(object, at)->name, function) == 0, "instruction %u: %s", at, source.text);
			CHECK(name != NULL && strcmp(name, "/places.bpf.c") == 0, "%s", source.file);
			CHECK(source.line > 0 && source.line < 40 && source.text[0] != '\t' && source.text[0] != ' ', "line %u: %s", source.line,
			      source.text);
			count++;
		}
	}
	return count;
}

static void
source_mutate(struct file *file, const struct csd_object *object, uint64_t mutants)
{
	uint8_t *bytes = malloc(file->length);
	uint64_t found = 0;

	for (uint64_t i = 0; i < mutants; i++) {
		size_t length = below(8) == 0 ? below(file->length) : file->length;

		memcpy(bytes, file->bytes, file->length);
		for (uint64_t changes = below(8); changes > 0; changes--) {
			uint64_t at = below(file->length);

			if (below(2) == 0) {
				bytes[at] = (uint8_t)chance_number();
			} else if (file->length - at >= 4) {
				uint32_t number = (uint32_t)chance_number();

				memcpy(bytes + at, &number, 4);
			}
		}
		for (uint32_t at = 0; at < object->count + 2; at += 3) {
			struct csd_source source;
			/* Of its own: what lies behind its last byte is nobody's. */
			uint8_t *own = malloc(length);

			memcpy(own, bytes, length);
			if (csd_source_find(own, length, object, at, &source)) {
				CHECK(strlen(source.file) < sizeof(source.file) && strlen(source.text) < sizeof(source.text), "%s", source.file);
				found++;
			}
			free(own);
		}
	}
	free(bytes);
	printf("  %lu mutants: %lu lines found\n", mutants, found);
}

int
main(int argc, char **argv)
{
	static struct csd_object object;
	char reason[CSD_REASON_BYTES] = "";
	struct csd_source source;
	struct file file;

	CHECK(argc == 5, "usage: test_source WITH-LINES.bpf.o WITHOUT.bpf.o MUTANTS SEED");
	file = read_whole(argv[1]);
	CHECK(csd_object_read(file.bytes, file.length, &object, reason) == 0, "%s", reason);
	CHECK(source_count(&file, &object, "/* in another function */", "another") > 0, "no line of a function");
	CHECK(source_count(&file, &object, "/* in the loop */", "places") > 0, "no line of the loop");
	CHECK(source_count(&file, &object, "/* behind it */", "places") > 0, "no line behind the loop");
	CHECK(!csd_source_find(file.bytes, file.length, &object, object.count, &source), "a line of no instruction");
	chance_begin(strtoull(argv[4], NULL, 10), 5);
	source_mutate(&file, &object, strtoull(argv[3], NULL, 10));
	csd_object_free(&object);
	free(file.bytes);

	file = read_whole(argv[2]);
	CHECK(csd_object_read(file.bytes, file.length, &object, reason) == 0, "%s", reason);
	for (uint32_t at = 0; at < object.count; at++) {
		CHECK(!csd_source_find(file.bytes, file.length, &object, at, &source), "a line without -g: %s", source.text);
	}
	csd_object_free(&object);
	free(file.bytes);
	printf("test_source: passed\n");
	return 0;
}
