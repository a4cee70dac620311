/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * From an ELF object, as clang -target bpf makes it, to a csd_object. Every index and length is the file's: none is
 * believed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "csd_bare.h"
#include "csd_geometry.h"
#include "csd_helper.h"
#include "csd_object_maps.h"

#define TEXT		".text"
#define STATE		".csd_state"
#define MAPS		".maps"
#define GEOMETRY	"csd_geometry"
#define WRITABLE	"csd_writable"
#define RECORD		"csd/record"
#define BUFFER		"csd/buffer"
#define INSN_BYTES	sizeof(struct csd_insn)
#define LD_IMM64	0x18
#define CALL		0x85
#define CALL_HELPER	0
#define CALL_LOCAL	1

/* What became of a section. */
struct placed {
	enum {ELSEWHERE, CODE, DATA, MAP} kind;
	enum csd_area area;	/* of DATA */
	uint64_t begin;		/* CODE: its first instruction; DATA: byte of the area */
	uint64_t length;	/* the same units */
};

struct reader {
	struct csd_elf_file elf;
	struct placed placed[CSD_ELF_SECTIONS];
	uint32_t program;	/* section */
	const Elf64_Shdr *symbols;
	struct csd_object *object;
	uint8_t *relocated;	/* one for each instruction */
	char *reason;
};

static unsigned long long
object_read_wide(uint64_t value)
{
	return value;
}

/* A section's size as its header says it: the container takes those without bytes in the file for empty. */
static uint64_t
object_read_size_of(const struct reader *reader, uint32_t section)
{
	Elf64_Shdr header;

	memcpy(&header, reader->elf.bytes + reader->elf.header.e_shoff + section * sizeof(header), sizeof(header));
	return header.sh_size;
}

/* --- code --- */

static int
object_read_place_code(struct reader *reader, uint32_t section)
{
	const Elf64_Shdr *header = &reader->elf.sections[section];
	struct csd_elf_name name = csd_elf_section_name(&reader->elf, section);
	uint64_t count = header->sh_size / INSN_BYTES;

	if (header->sh_type != SHT_PROGBITS || !(header->sh_flags & SHF_EXECINSTR)) {
		return csd_refuse(reader->reason, "ELF: section %s holds no instructions", name.text);
	}
	if (header->sh_size == 0 || header->sh_size % INSN_BYTES != 0) {
		return csd_refuse(reader->reason, "ELF: section %s has %llu bytes: instructions have %zu each", name.text,
				  object_read_wide(header->sh_size), INSN_BYTES);
	}
	if (count > CSD_TRANSLATOR_INSTRUCTIONS - reader->object->count) {
		return csd_refuse(reader->reason, "ELF: %llu instructions up to section %s; at most %u are possible",
				  object_read_wide(count + reader->object->count), name.text,
				  CSD_TRANSLATOR_INSTRUCTIONS);
	}
	reader->placed[section] = (struct placed) {.kind = CODE, .begin = reader->object->count, .length = count};
	reader->object->count += count;
	return 0;
}

/* The program's section, and .text for the functions that it calls. */
static int
object_read_place_all_code(struct reader *reader)
{
	int rc = object_read_place_code(reader, reader->program);

	for (uint32_t i = 1; rc == 0 && i < reader->elf.header.e_shnum; i++) {
		const Elf64_Shdr *section = &reader->elf.sections[i];
		struct csd_elf_name name = csd_elf_section_name(&reader->elf, i);

		if (i == reader->program || !(section->sh_flags & SHF_EXECINSTR) || section->sh_size == 0) {
			continue;
		}
		if (strcmp(name.text, TEXT) != 0) {
			return csd_refuse(reader->reason, "ELF: code in section %s: a program is one csd/... function and those of %s",
					  name.text, TEXT);
		}
		rc = object_read_place_code(reader, i);
	}
	return rc;
}

static int
object_read_code(struct reader *reader)
{
	struct csd_object *object = reader->object;

	object->insns = malloc(object->count * INSN_BYTES);
	object->area = calloc(object->count, 1);
	reader->relocated = calloc(object->count, 1);
	if (object->insns == NULL || object->area == NULL || reader->relocated == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 1; i < reader->elf.header.e_shnum; i++) {
		const struct placed *placed = &reader->placed[i];

		if (placed->kind == CODE) {
			memcpy(object->insns + placed->begin, reader->elf.bytes + reader->elf.sections[i].sh_offset,
			       placed->length * INSN_BYTES);
		}
	}
	return 0;
}

static int
object_read_compare_functions(const void *a, const void *b)
{
	const struct csd_function *x = a, *y = b;

	return (x->begin > y->begin) - (x->begin < y->begin);
}

static int
object_read_function(struct reader *reader, const Elf64_Sym *symbol)
{
	const struct placed *placed = &reader->placed[symbol->st_shndx];
	struct csd_elf_name name = csd_elf_symbol_name(&reader->elf, reader->symbols, symbol);
	struct csd_elf_name section = csd_elf_section_name(&reader->elf, symbol->st_shndx);
	struct csd_function *function;

	if (symbol->st_value % INSN_BYTES != 0 || symbol->st_size % INSN_BYTES != 0 || symbol->st_size == 0 ||
	    symbol->st_value / INSN_BYTES > placed->length ||
	    symbol->st_size / INSN_BYTES > placed->length - symbol->st_value / INSN_BYTES) {
		return csd_refuse(reader->reason, "ELF: function %s has %llu bytes from %llu on: no whole instructions of %s",
				  name.text, object_read_wide(symbol->st_size), object_read_wide(symbol->st_value),
				  section.text);
	}
	if (reader->object->function_count == CSD_TRANSLATOR_FUNCTIONS) {
		return csd_refuse(reader->reason, "ELF: more than %u functions, %s is one too many", CSD_TRANSLATOR_FUNCTIONS,
				  name.text);
	}
	function = &reader->object->functions[reader->object->function_count++];
	memcpy(function->name, name.text, sizeof(function->name));
	memcpy(function->section, section.text, sizeof(function->section));
	function->section_begin = placed->begin;
	function->begin = placed->begin + symbol->st_value / INSN_BYTES;
	function->end = function->begin + symbol->st_size / INSN_BYTES;
	return 0;
}

/* Each instruction belongs to one function; the program's section is one function. */
static int
object_read_functions(struct reader *reader)
{
	struct csd_object *object = reader->object;
	const struct placed *program = &reader->placed[reader->program];
	uint32_t covered = 0;

	for (uint64_t i = 1; i < reader->symbols->sh_size / sizeof(Elf64_Sym); i++) {
		Elf64_Sym symbol = csd_elf_symbol_at(&reader->elf, reader->symbols, i);
		int rc;

		if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx >= reader->elf.header.e_shnum ||
		    reader->placed[symbol.st_shndx].kind != CODE) {
			continue;
		}
		rc = object_read_function(reader, &symbol);
		if (rc != 0) {
			return rc;
		}
	}
	qsort(object->functions, object->function_count, sizeof(object->functions[0]), object_read_compare_functions);
	for (uint32_t i = 0; i < object->function_count; i++) {
		const struct csd_function *function = &object->functions[i];

		if (function->begin != covered) {
			return csd_refuse(reader->reason, "ELF: function %s begins at instruction %u, where the one before it does "
					  "not end", function->name, function->begin - function->section_begin);
		}
		covered = function->end;
	}
	if (covered != object->count) {
		return csd_refuse(reader->reason, "ELF: %u instructions, of which functions have %u", object->count, covered);
	}
	object->entry = csd_object_function(object, program->begin) - object->functions;
	if (object->functions[object->entry].end != program->begin + program->length) {
		return csd_refuse(reader->reason, "ELF: several functions in section %s (%s is the first): a program is one",
				  object->kind, object->functions[object->entry].name);
	}
	return 0;
}

/* --- data --- */

static int
object_read_place_data(struct reader *reader, uint32_t section)
{
	const Elf64_Shdr *header = &reader->elf.sections[section];
	struct csd_elf_name name = csd_elf_section_name(&reader->elf, section);
	bool is_state = strcmp(name.text, STATE) == 0;
	enum csd_area area = is_state ? CSD_AREA_STATE : header->sh_flags & SHF_WRITE ? CSD_AREA_GLOBALS : CSD_AREA_CONSTANTS;
	struct csd_area_content *content = &reader->object->areas[area];
	uint64_t alignment = header->sh_addralign > 0 ? header->sh_addralign : 1;
	uint64_t length = object_read_size_of(reader, section), begin;

	if (is_state && strcmp(reader->object->kind, BUFFER) != 0) {
		return csd_refuse(reader->reason, "ELF: section %s: CSD_STATE is for %s, the state of %s belongs to its geometry",
				  STATE, BUFFER, reader->object->kind);
	}
	if (is_state && length > CSD_MAX_STATE_BYTES - content->length) {
		return csd_refuse(reader->reason, "ELF: section %s has %llu bytes; at most %u are possible", STATE,
				  object_read_wide(length), CSD_MAX_STATE_BYTES);
	}
	if (alignment > CSD_AREA_ALIGNMENT) {
		return csd_refuse(reader->reason, "ELF: section %s is aligned to %llu; at most %u is possible", name.text,
				  object_read_wide(alignment), CSD_AREA_ALIGNMENT);
	}
	begin = (content->length + alignment - 1) / alignment * alignment;
	if (length > CSD_AREA_BYTES || begin > CSD_AREA_BYTES - length) {
		return csd_refuse(reader->reason, "ELF: section %s has %llu bytes; all of its kind may have %u", name.text,
				  object_read_wide(length), CSD_AREA_BYTES);
	}
	content->length = begin + length;
	if (header->sh_type == SHT_PROGBITS) {
		content->given = content->length;
	}
	reader->placed[section] = (struct placed) {.kind = DATA, .area = area, .begin = begin, .length = length};
	return 0;
}

static bool
object_read_is_data(const struct reader *reader, uint32_t section)
{
	const Elf64_Shdr *header = &reader->elf.sections[section];
	struct csd_elf_name name = csd_elf_section_name(&reader->elf, section);

	return (header->sh_type == SHT_PROGBITS || header->sh_type == SHT_NOBITS) && (header->sh_flags & SHF_ALLOC) &&
	       !(header->sh_flags & SHF_EXECINSTR) && strcmp(name.text, GEOMETRY) != 0 && strcmp(name.text, WRITABLE) != 0 &&
	       strcmp(name.text, MAPS) != 0 && strcmp(name.text, ".eh_frame") != 0;
}

/* What has bytes in the file comes first, so that zeros need not be kept. */
static int
object_read_data(struct reader *reader)
{
	static const uint32_t types[] = {SHT_PROGBITS, SHT_NOBITS};

	for (uint32_t type = 0; type < 2; type++) {
		for (uint32_t i = 1; i < reader->elf.header.e_shnum; i++) {
			int rc = 0;

			if (object_read_is_data(reader, i) && reader->elf.sections[i].sh_type == types[type]) {
				rc = object_read_place_data(reader, i);
			}
			if (rc != 0) {
				return rc;
			}
		}
	}
	for (uint32_t i = 0; i < CSD_AREAS; i++) {
		struct csd_area_content *content = &reader->object->areas[i];

		if (content->given > 0) {
			content->bytes = calloc(content->given, 1);
			if (content->bytes == NULL) {
				return -ENOMEM;
			}
		}
	}
	for (uint32_t i = 1; i < reader->elf.header.e_shnum; i++) {
		const struct placed *placed = &reader->placed[i];

		if (placed->kind == DATA && reader->elf.sections[i].sh_type == SHT_PROGBITS && placed->length > 0) {
			memcpy(reader->object->areas[placed->area].bytes + placed->begin,
			       reader->elf.bytes + reader->elf.sections[i].sh_offset, placed->length);
		}
	}
	return 0;
}

static int
object_read_find_maps(struct reader *reader)
{
	int rc = 0;

	for (uint32_t i = 1; rc == 0 && i < reader->elf.header.e_shnum; i++) {
		if (strcmp(csd_elf_section_name(&reader->elf, i).text, MAPS) == 0 && reader->placed[i].kind == ELSEWHERE) {
			reader->placed[i] = (struct placed) {.kind = MAP};
			rc = csd_object_read_maps(&reader->elf, reader->symbols, i, reader->object);
		}
	}
	return rc;
}

/* --- relocations --- */

/* A relocation, its symbol, and a name for it. */
struct relocation {
	uint32_t type;
	uint32_t at;			/* instruction */
	Elf64_Sym symbol;
	struct csd_elf_name name;
	const struct placed *placed;	/* where the symbol lies; NULL: not in a section */
};

/* The function that begins so many instructions behind a section's begin; NULL: none does. */
static const struct csd_function *
object_read_function_at(const struct reader *reader, const struct placed *placed, uint64_t target)
{
	const struct csd_function *function;

	if (target >= placed->length) {
		return NULL;
	}
	function = csd_object_function(reader->object, placed->begin + target);
	return function != NULL && function->begin == placed->begin + target ? function : NULL;
}

/* `offset`: in bytes, of what the instruction asks for in its section. */
static int
object_read_relocate_function(struct reader *reader, const struct relocation *relocation, uint64_t offset)
{
	struct csd_object *object = reader->object;
	const struct csd_function *function = object_read_function_at(reader, relocation->placed, offset / INSN_BYTES);

	if (offset % INSN_BYTES != 0 || function == NULL) {
		return csd_object_refuse(object, relocation->at, reader->reason,
					 "takes an address in %s where no function begins", relocation->name.text);
	}
	object->area[relocation->at] = CSD_AREA_FUNCTION;
	object->insns[relocation->at].imm = function - object->functions + 1;
	object->insns[relocation->at + 1].imm = 0;
	return 0;
}

static int
object_read_relocate_map(struct reader *reader, const struct relocation *relocation, uint64_t offset)
{
	struct csd_object *object = reader->object;

	for (uint32_t i = 0; i < object->map_count; i++) {
		if (object->maps[i].declared == offset) {
			object->area[relocation->at] = CSD_AREA_MAP;
			object->insns[relocation->at].imm = i + 1;
			object->insns[relocation->at + 1].imm = 0;
			return 0;
		}
	}
	return csd_object_refuse(object, relocation->at, reader->reason, "uses byte %llu of %s, where no map is declared",
				 object_read_wide(offset), MAPS);
}

static int
object_read_relocate_address(struct reader *reader, const struct relocation *relocation)
{
	struct csd_object *object = reader->object;
	struct csd_insn *insn = &object->insns[relocation->at];
	enum csd_area area = CSD_AREA_NONE;
	uint64_t begin = 0, offset;

	if (insn->code != LD_IMM64 || relocation->at + 1 >= object->count || insn->src != 0) {
		return csd_object_refuse(object, relocation->at, reader->reason,
					 "the address of %s is asked of an instruction that loads none", relocation->name.text);
	}
	if (relocation->symbol.st_shndx == SHN_UNDEF && relocation->name.valid && object->areas[CSD_AREA_STATE].length == 0 &&
	    strcmp(relocation->name.text, "csd_state") == 0) {
		return csd_object_refuse(object, relocation->at, reader->reason,
					 "uses csd_state, and has none: CSD_RECORD_STATE or CSD_STATE makes it");
	}
	if (relocation->symbol.st_shndx == SHN_UNDEF) {
		area = !relocation->name.valid ? CSD_AREA_NONE :
		       strcmp(relocation->name.text, "csd_parameters") == 0 ? CSD_AREA_PARAMETERS :
		       strcmp(relocation->name.text, "csd_state") == 0 ? CSD_AREA_STATE : CSD_AREA_NONE;
		if (area == CSD_AREA_NONE) {
			return csd_object_refuse(object, relocation->at, reader->reason, "uses %s, which is defined nowhere: only "
						 "csd_parameters and csd_state come from the drive", relocation->name.text);
		}
	} else if (relocation->placed != NULL && relocation->placed->kind == DATA) {
		area = relocation->placed->area;
		begin = relocation->placed->begin;
	} else if (relocation->placed == NULL || relocation->placed->kind == ELSEWHERE) {
		return csd_object_refuse(object, relocation->at, reader->reason,
					 "uses %s, which lies in no section of data", relocation->name.text);
	}
	/* Both come from the file: sums wrap, and are held against the area's length afterwards. */
	offset = (uint32_t)insn[0].imm | (uint64_t)(uint32_t)insn[1].imm << 32;
	if (relocation->symbol.st_shndx != SHN_UNDEF) {
		offset += relocation->symbol.st_value;
	}
	if (relocation->placed != NULL && relocation->placed->kind == CODE) {
		return object_read_relocate_function(reader, relocation, offset);
	}
	if (relocation->placed != NULL && relocation->placed->kind == MAP) {
		return object_read_relocate_map(reader, relocation, offset);
	}
	if (relocation->placed != NULL && offset > relocation->placed->length) {
		return csd_object_refuse(object, relocation->at, reader->reason, "%s has no byte %llu: its section has %llu",
					 relocation->name.text, object_read_wide(offset),
					 object_read_wide(relocation->placed->length));
	}
	offset += begin;
	if (offset > object->areas[area].length) {
		return csd_object_refuse(object, relocation->at, reader->reason, "%s has no byte %llu: it has %llu",
					 relocation->name.text, object_read_wide(offset),
					 object_read_wide(object->areas[area].length));
	}
	object->area[relocation->at] = area;
	insn[0].imm = (int32_t)(uint32_t)offset;
	insn[1].imm = 0;
	return 0;
}

static int
object_read_relocate_call(struct reader *reader, const struct relocation *relocation)
{
	struct csd_object *object = reader->object;
	struct csd_insn *insn = &object->insns[relocation->at];
	const struct csd_function *function;
	uint64_t target;

	if (insn->code != CALL || insn->src != CALL_LOCAL) {
		return csd_object_refuse(object, relocation->at, reader->reason, "a call of %s is asked of an instruction that is none",
					 relocation->name.text);
	}
	if (relocation->symbol.st_shndx == SHN_UNDEF) {
		const struct csd_helper *helper = relocation->name.valid ? csd_helper_named(relocation->name.text) : NULL;

		if (helper == NULL) {
			return csd_object_refuse(object, relocation->at, reader->reason, "calls %s, which is defined nowhere",
						 relocation->name.text);
		}
		insn->src = CALL_HELPER;
		insn->imm = helper->number;
		return 0;
	}
	if (relocation->placed == NULL || relocation->placed->kind != CODE) {
		return csd_object_refuse(object, relocation->at, reader->reason, "calls %s, which is no function",
					 relocation->name.text);
	}
	/* The immediate counts instructions from the one behind the call: -1 is the symbol itself. */
	target = relocation->symbol.st_value / INSN_BYTES + (uint64_t)((int64_t)insn->imm + 1);
	function = object_read_function_at(reader, relocation->placed, target);
	if (relocation->symbol.st_value % INSN_BYTES != 0 || function == NULL) {
		return csd_object_refuse(object, relocation->at, reader->reason, "calls into %s where no function begins",
					 relocation->name.text);
	}
	insn->imm = (int32_t)((int64_t)function->begin - relocation->at - 1);
	return 0;
}

static int
object_read_relocate(struct reader *reader, const struct placed *code, const Elf64_Rel *entry)
{
	uint64_t index = ELF64_R_SYM(entry->r_info);
	struct relocation relocation = {.type = ELF64_R_TYPE(entry->r_info)};

	if (entry->r_offset % INSN_BYTES != 0 || entry->r_offset / INSN_BYTES >= code->length) {
		return csd_refuse(reader->reason, "ELF: a relocation at byte %llu, where no instruction begins",
				  object_read_wide(entry->r_offset));
	}
	relocation.at = code->begin + entry->r_offset / INSN_BYTES;
	if (index == 0 || index >= reader->symbols->sh_size / sizeof(Elf64_Sym)) {
		return csd_object_refuse(reader->object, relocation.at, reader->reason,
					 "relocation to symbol %llu, which does not exist", object_read_wide(index));
	}
	relocation.symbol = csd_elf_symbol_at(&reader->elf, reader->symbols, index);
	relocation.name = csd_elf_symbol_name(&reader->elf, reader->symbols, &relocation.symbol);
	if (relocation.symbol.st_shndx > 0 && relocation.symbol.st_shndx < reader->elf.header.e_shnum) {
		relocation.placed = &reader->placed[relocation.symbol.st_shndx];
		if (relocation.name.text[0] == '\0') {
			relocation.name = csd_elf_section_name(&reader->elf, relocation.symbol.st_shndx);
		}
	}
	if (reader->relocated[relocation.at]++ != 0) {
		return csd_object_refuse(reader->object, relocation.at, reader->reason, "two relocations");
	}
	switch (relocation.type) {
	case R_BPF_64_64:
		return object_read_relocate_address(reader, &relocation);
	case R_BPF_64_32:
		return object_read_relocate_call(reader, &relocation);
	default:
		return csd_object_refuse(reader->object, relocation.at, reader->reason,
					 "relocation of type %u to %s: code has R_BPF_64_64 (1) and R_BPF_64_32 (10) only",
					 relocation.type, relocation.name.text);
	}
}

static int
object_read_relocate_all(struct reader *reader)
{
	for (uint32_t i = 1; i < reader->elf.header.e_shnum; i++) {
		const Elf64_Shdr *section = &reader->elf.sections[i];
		const struct placed *placed;

		if ((section->sh_type != SHT_REL && section->sh_type != SHT_RELA) || section->sh_size == 0 ||
		    section->sh_info == 0 || section->sh_info >= reader->elf.header.e_shnum) {
			continue;
		}
		placed = &reader->placed[section->sh_info];
		if (placed->kind == DATA) {
			return csd_refuse(reader->reason, "ELF: section %s holds addresses, put in at load: not supported (use an array "
					  "of arrays, or an index, instead of an array of pointers)",
					  csd_elf_section_name(&reader->elf, section->sh_info).text);
		}
		if (placed->kind != CODE) {
			continue;	/* those of debug information are nobody's business here */
		}
		if (section->sh_type != SHT_REL || section->sh_entsize != sizeof(Elf64_Rel) ||
		    section->sh_size % sizeof(Elf64_Rel) != 0 || section->sh_link >= reader->elf.header.e_shnum ||
		    &reader->elf.sections[section->sh_link] != reader->symbols) {
			return csd_refuse(reader->reason, "ELF: relocations in section %u are misaligned, or of another form than clang's",
					  i);
		}
		for (uint64_t offset = 0; offset < section->sh_size; offset += sizeof(Elf64_Rel)) {
			Elf64_Rel entry;
			int rc;

			memcpy(&entry, reader->elf.bytes + section->sh_offset + offset, sizeof(entry));
			rc = object_read_relocate(reader, placed, &entry);
			if (rc != 0) {
				return rc;
			}
		}
	}
	return 0;
}

/* --- CO-RE --- */

/* The header of .BTF.ext, as far as CO-RE needs it. */
struct btf_ext {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t header_bytes;
	uint32_t others[4];
	uint32_t core_offset, core_bytes;
};

/*
 * Records of CO-RE lie outside of ELF's own relocations: who does not look for them runs the program with offsets of
 * another kernel.
 */
static int
object_read_refuse_core(const struct reader *reader)
{
	for (uint32_t i = 1; i < reader->elf.header.e_shnum; i++) {
		const Elf64_Shdr *section = &reader->elf.sections[i];
		struct btf_ext header;

		if (strcmp(csd_elf_section_name(&reader->elf, i).text, ".BTF.ext") != 0 || section->sh_size < sizeof(header)) {
			continue;
		}
		memcpy(&header, reader->elf.bytes + section->sh_offset, sizeof(header));
		/* Its length counts a word that says how long one record is: alone, it stands for none. */
		if (header.header_bytes >= sizeof(header) && header.core_bytes > sizeof(uint32_t)) {
			return csd_refuse(reader->reason, "ELF: CO-RE relocations in .BTF.ext (%u bytes): not supported (compile without "
					  "preserve_access_index)", header.core_bytes);
		}
	}
	return 0;
}

/* --- ranges that the program writes to --- */

static int
object_read_check_writable(const struct reader *reader, const struct csd_writable *writable)
{
	if (strcmp(reader->object->kind, BUFFER) != 0) {
		return csd_refuse(reader->reason, "section %s: CSD_WRITABLE is for %s, which alone sees ranges", WRITABLE, BUFFER);
	}
	if (writable->version != CSD_WRITABLE_VERSION) {
		return csd_refuse(reader->reason, "section %s: version %u; this drive knows %u", WRITABLE, writable->version,
				  CSD_WRITABLE_VERSION);
	}
	if (writable->ranges == 0 || writable->ranges >> CSD_MAX_RANGES != 0) {
		return csd_refuse(reader->reason, "section %s: ranges %#x: CSD_RANGE(0) to CSD_RANGE(%u) exist, and one at least is named",
				  WRITABLE, writable->ranges, CSD_MAX_RANGES - 1);
	}
	if (writable->reserved[0] != 0 || writable->reserved[1] != 0) {
		return csd_refuse(reader->reason, "section %s: reserved words that this drive does not know", WRITABLE);
	}
	return 0;
}

/* None, if the object does not say. */
static int
object_read_writable(struct reader *reader)
{
	struct csd_writable writable;
	uint32_t found = 0;
	int rc;

	for (uint32_t i = 1; i < reader->elf.header.e_shnum; i++) {
		if (strcmp(csd_elf_section_name(&reader->elf, i).text, WRITABLE) != 0) {
			continue;
		}
		if (found != 0) {
			return csd_refuse(reader->reason, "ELF: several sections %s", WRITABLE);
		}
		found = i;
	}
	if (found == 0) {
		return 0;
	}
	if (reader->elf.sections[found].sh_type != SHT_PROGBITS || reader->elf.sections[found].sh_size != sizeof(writable)) {
		return csd_refuse(reader->reason, "ELF: section %s has %llu bytes of data, not %zu", WRITABLE,
				  object_read_wide(reader->elf.sections[found].sh_size), sizeof(writable));
	}
	memcpy(&writable, reader->elf.bytes + reader->elf.sections[found].sh_offset, sizeof(writable));
	rc = object_read_check_writable(reader, &writable);
	reader->object->writable = rc == 0 ? writable.ranges : 0;
	return rc;
}

/* --- all --- */

static int
object_read_kind(struct reader *reader)
{
	struct csd_object *object = reader->object;

	reader->program = csd_elf_find_section(&reader->elf, "csd/", true);
	if (reader->program == 0) {
		return -EINVAL;
	}
	strcpy(object->kind, csd_elf_section_name(&reader->elf, reader->program).text);
	if (strcmp(object->kind, RECORD) == 0) {
		int rc = csd_geometry_read(&reader->elf, &object->geometry);

		object->areas[CSD_AREA_PARAMETERS].length = sizeof(struct csd_parameters);
		object->areas[CSD_AREA_STATE].length = object->geometry.state_bytes;
		return rc;
	}
	if (strcmp(object->kind, BUFFER) == 0) {
		object->areas[CSD_AREA_PARAMETERS].length = sizeof(struct csd_parameters);
		return 0;
	}
	return csd_refuse(reader->reason, "section %s: programs are " RECORD " or " BUFFER, object->kind);
}

static int
object_read_all(struct reader *reader, const void *bytes, size_t length)
{
	int rc = csd_elf_open(&reader->elf, bytes, length, reader->reason);

	if (rc == 0) {
		rc = object_read_kind(reader);
	}
	if (rc == 0) {
		rc = object_read_writable(reader);
	}
	if (rc == 0) {
		rc = object_read_place_all_code(reader);
	}
	if (rc == 0) {
		rc = object_read_code(reader);
	}
	if (rc == 0) {
		reader->symbols = csd_elf_find_symbols(&reader->elf);
		rc = reader->symbols == NULL ? -EINVAL : object_read_functions(reader);
	}
	if (rc == 0) {
		rc = object_read_data(reader);
	}
	if (rc == 0) {
		rc = object_read_find_maps(reader);
	}
	if (rc == 0) {
		rc = object_read_refuse_core(reader);
	}
	return rc == 0 ? object_read_relocate_all(reader) : rc;
}

int
csd_object_read(const void *bytes, size_t length, struct csd_object *object, char reason[CSD_REASON_BYTES])
{
	struct reader *reader;
	int rc;

	*object = (struct csd_object) {.insns = NULL};
	if (length > CSD_MAX_PROGRAM_BYTES) {
		return csd_refuse(reason, "a program of %zu bytes; at most %u are possible", length, CSD_MAX_PROGRAM_BYTES);
	}
	if (csd_is_bare(bytes, length)) {
		rc = csd_bare_read(bytes, length, object, reason);
		if (rc != 0) {
			csd_object_free(object);
		}
		return rc;
	}
	if (length < SELFMAG || memcmp(bytes, ELFMAG, SELFMAG) != 0) {
		return csd_refuse(reason, "no ELF object");
	}
	reader = calloc(1, sizeof(*reader));
	if (reader == NULL) {
		return -ENOMEM;
	}
	reader->object = object;
	reader->reason = reason;
	rc = object_read_all(reader, bytes, length);
	free(reader->relocated);
	free(reader);
	if (rc != 0) {
		csd_object_free(object);
	}
	return rc;
}
