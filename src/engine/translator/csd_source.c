/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The records of .BTF.ext, as the kernel's Documentation/bpf/btf.rst describes them. They come with a stranger's program:
 * each number is checked before it is used, and the worst that a wrong one gives is no line, or another.
 */
#include "csd_source.h"

#include <ctype.h>
#include <string.h>

#define BTF_MAGIC	0xeb9f
#define COLUMN_BITS	10

struct btf_header {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t header_bytes;
	uint32_t type_offset, type_bytes;
	uint32_t string_offset, string_bytes;
};

struct btf_ext_header {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t header_bytes;
	uint32_t function_offset, function_bytes;
	uint32_t line_offset, line_bytes;
};

struct btf_section {
	uint32_t name;
	uint32_t count;
};

struct btf_line {
	uint32_t offset;	/* of the instruction in its section: bytes */
	uint32_t file;
	uint32_t text;
	uint32_t place;		/* line << COLUMN_BITS | column */
};

struct piece {
	const uint8_t *bytes;
	uint64_t length;
};

static struct piece
source_piece(struct piece whole, uint64_t offset, uint64_t length)
{
	const struct piece none = {NULL, 0};

	return offset > whole.length || length > whole.length - offset ? none : (struct piece) {whole.bytes + offset, length};
}

/* Takes so many bytes from the begin of a piece. False: there are fewer. */
static bool
source_take(struct piece *from, void *to, uint64_t bytes)
{
	if (from->length < bytes) {
		return false;
	}
	memcpy(to, from->bytes, bytes);
	*from = source_piece(*from, bytes, from->length - bytes);
	return true;
}

static struct piece
source_section(const struct csd_elf_file *elf, const char *name)
{
	const struct piece none = {NULL, 0};

	for (uint32_t i = 1; i < elf->header.e_shnum; i++) {
		if (strcmp(csd_elf_section_name(elf, i).text, name) == 0) {
			return (struct piece) {elf->bytes + elf->sections[i].sh_offset, elf->sections[i].sh_size};
		}
	}
	return none;
}

static struct piece
source_strings(const struct csd_elf_file *elf)
{
	const struct piece none = {NULL, 0}, all = source_section(elf, ".BTF");
	struct piece rest = all;
	struct btf_header header;

	if (!source_take(&rest, &header, sizeof(header)) || header.magic != BTF_MAGIC) {
		return none;
	}
	return source_piece(all, (uint64_t)header.header_bytes + header.string_offset, header.string_bytes);
}

/* The string at an offset, whole; length 0: there is none. */
static struct piece
source_string(struct piece strings, uint32_t offset)
{
	struct piece rest = source_piece(strings, offset, offset < strings.length ? strings.length - offset : 0);
	uint64_t length = rest.length > 0 ? strnlen((const char *)rest.bytes, rest.length) : 0;

	return source_piece(rest, 0, length < rest.length ? length : 0);
}

static void
source_copy(char *to, size_t room, struct piece string)
{
	uint64_t length = string.length < room - 1 ? string.length : room - 1;

	for (uint64_t i = 0; i < length; i++) {
		to[i] = isprint(string.bytes[i]) && string.bytes[i] < 0x80 ? (char)string.bytes[i] : '?';
	}
	to[length] = '\0';
}

/* The lines of one section of the program: the last one that begins no later than the instruction counts. */
static bool
source_find_line(struct piece lines, uint32_t count, uint32_t record_bytes, uint64_t offset, struct btf_line *found)
{
	bool any = false;

	for (uint32_t i = 0; i < count; i++) {
		struct piece record = source_piece(lines, (uint64_t)i * record_bytes, record_bytes);
		struct btf_line line;

		if (!source_take(&record, &line, sizeof(line))) {
			break;
		}
		if (line.offset <= offset && (!any || line.offset >= found->offset)) {
			*found = line;
			any = true;
		}
	}
	return any;
}

static bool
source_find_record(const struct csd_elf_file *elf, struct piece strings, const char *wanted, uint64_t offset,
		   struct btf_line *found)
{
	const struct piece all = source_section(elf, ".BTF.ext");
	struct btf_ext_header header;
	struct btf_section section;
	struct piece rest = all;
	uint32_t record_bytes;

	if (!source_take(&rest, &header, sizeof(header)) || header.magic != BTF_MAGIC) {
		return false;
	}
	rest = source_piece(all, (uint64_t)header.header_bytes + header.line_offset, header.line_bytes);
	if (!source_take(&rest, &record_bytes, sizeof(record_bytes)) || record_bytes < sizeof(struct btf_line)) {
		return false;
	}
	while (source_take(&rest, &section, sizeof(section))) {
		struct piece name = source_string(strings, section.name);
		uint64_t bytes = (uint64_t)section.count * record_bytes;

		if (name.length == strlen(wanted) && memcmp(name.bytes, wanted, name.length) == 0) {
			return source_find_line(rest, section.count, record_bytes, offset, found);
		}
		if (bytes > rest.length) {
			return false;
		}
		rest = source_piece(rest, bytes, rest.length - bytes);
	}
	return false;
}

bool
csd_source_find(const void *bytes, size_t length, const struct csd_object *object, uint32_t instruction, struct csd_source *source)
{
	const struct csd_function *function = csd_object_function(object, instruction);
	char reason[CSD_REASON_BYTES];
	struct piece strings, text;
	struct csd_elf_file elf;
	struct btf_line line;

	if (function == NULL || csd_elf_open(&elf, bytes, length, reason) != 0) {
		return false;
	}
	strings = source_strings(&elf);
	if (!source_find_record(&elf, strings, function->section, ((uint64_t)instruction - function->section_begin) * 8, &line)) {
		return false;
	}
	text = source_string(strings, line.file);
	if (text.length >= sizeof(source->file)) {
		text = source_piece(text, text.length - sizeof(source->file) + 1, sizeof(source->file) - 1);
	}
	source_copy(source->file, sizeof(source->file), text);
	text = source_string(strings, line.text);
	while (text.length > 0 && isblank(text.bytes[0])) {
		text = source_piece(text, 1, text.length - 1);
	}
	source_copy(source->text, sizeof(source->text), text);
	source->line = line.place >> COLUMN_BITS;
	source->column = line.place & ((1U << COLUMN_BITS) - 1);
	return source->line != 0;
}
