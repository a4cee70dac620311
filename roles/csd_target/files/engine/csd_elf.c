/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The bytes come from a remote host: nothing in them is believed before it was checked, nothing is used in place.
 * libelf (elf_memory) was considered: it reads every kind of ELF, trusts offsets inside headers further than a drive
 * may, and would need all the checks below around it. What clang emits for a program is a small subset of ELF, and
 * a strict reader of that subset is smaller.
 */
#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csd_elf.h"

#ifndef EM_BPF
#define EM_BPF	247
#endif

#define MAX_SECTIONS	256
#define KIND_PREFIX	"csd/"
#define GEOMETRY	"csd_geometry"
#define NAME_BYTES	48

/* Relocations of eBPF */
#define R_BPF_64_64	1	/* the immediate of an ld_imm64 */
#define R_BPF_64_32	10	/* the immediate of a call */

#define LD_IMM64	0x18

struct reader {
	const uint8_t *bytes;
	size_t length;
	Elf64_Ehdr header;
	Elf64_Shdr sections[MAX_SECTIONS];
	Elf64_Shdr names;
	char *reason;
};

/* A name out of the file, fit for logs: the string that begins at `offset` of a string table. */
struct name {
	char text[NAME_BYTES];
	bool valid;		/* a printable string that ends inside its table and is not too long */
};

static struct name
read_name(const struct reader *elf, const Elf64_Shdr *table, uint32_t offset)
{
	struct name name = {.text = "(name that is none)"};
	const char *text;
	size_t room, length;

	if (table->sh_type != SHT_STRTAB || offset >= table->sh_size) {
		return name;
	}
	text = (const char *)elf->bytes + table->sh_offset + offset;
	room = table->sh_size - offset;
	length = strnlen(text, room);
	if (length == room) {
		return name;
	}
	name.valid = length < NAME_BYTES;
	length = name.valid ? length : NAME_BYTES - 1;
	for (size_t i = 0; i < length; i++) {
		name.text[i] = isprint((unsigned char)text[i]) && (unsigned char)text[i] < 0x80 ? text[i] : '?';
		name.valid = name.valid && name.text[i] == text[i];
	}
	name.text[length] = '\0';
	return name;
}

static struct name
section_name(const struct reader *elf, uint32_t index)
{
	return read_name(elf, &elf->names, elf->sections[index].sh_name);
}

static int
check_header(struct reader *elf)
{
	Elf64_Ehdr *header = &elf->header;

	if (elf->length < sizeof(*header)) {
		return csd_refuse(elf->reason, "ELF: %zu bytes are too few for a header", elf->length);
	}
	memcpy(header, elf->bytes, sizeof(*header));
	if (header->e_ident[EI_CLASS] != ELFCLASS64) {
		return csd_refuse(elf->reason, "ELF: class %u: a program is a 64-bit object", header->e_ident[EI_CLASS]);
	}
	if (header->e_ident[EI_DATA] != ELFDATA2LSB) {
		return csd_refuse(elf->reason, "ELF: a program is little endian (clang -target bpf or bpfel)");
	}
	if (header->e_ident[EI_VERSION] != EV_CURRENT || header->e_version != EV_CURRENT) {
		return csd_refuse(elf->reason, "ELF: unknown version");
	}
	if (header->e_machine != EM_BPF) {
		return csd_refuse(elf->reason, "ELF: machine %u: a program is eBPF (machine %u)", header->e_machine, EM_BPF);
	}
	if (header->e_type != ET_REL) {
		return csd_refuse(elf->reason, "ELF: type %u: a program is a relocatable object (clang -c)", header->e_type);
	}
	if (header->e_ehsize != sizeof(Elf64_Ehdr) || header->e_shentsize != sizeof(Elf64_Shdr)) {
		return csd_refuse(elf->reason, "ELF: headers of %u and %u bytes, not %zu and %zu", header->e_ehsize,
				  header->e_shentsize, sizeof(Elf64_Ehdr), sizeof(Elf64_Shdr));
	}
	if (header->e_phnum != 0) {
		return csd_refuse(elf->reason, "ELF: an object has no program headers, this has %u", header->e_phnum);
	}
	if (header->e_shnum < 2 || header->e_shnum > MAX_SECTIONS) {
		return csd_refuse(elf->reason, "ELF: %u sections; 2 to %u are read", header->e_shnum, MAX_SECTIONS);
	}
	if (header->e_shoff % 8 != 0 || header->e_shoff < sizeof(*header)) {
		return csd_refuse(elf->reason, "ELF: the section table begins at %llu: misaligned or inside the header",
				  (unsigned long long)header->e_shoff);
	}
	if (header->e_shoff > elf->length || (elf->length - header->e_shoff) / sizeof(Elf64_Shdr) < header->e_shnum) {
		return csd_refuse(elf->reason, "ELF: truncated: %u section headers from %llu on, in %zu bytes",
				  header->e_shnum, (unsigned long long)header->e_shoff, elf->length);
	}
	if (header->e_shstrndx == 0 || header->e_shstrndx >= header->e_shnum) {
		return csd_refuse(elf->reason, "ELF: section %u cannot hold the names of %u sections", header->e_shstrndx,
				  header->e_shnum);
	}
	return 0;
}

static bool
overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
	return a_bytes > 0 && b_bytes > 0 && a < b + b_bytes && b < a + a_bytes;
}

static int
check_sections(struct reader *elf)
{
	const Elf64_Ehdr *header = &elf->header;

	memcpy(elf->sections, elf->bytes + header->e_shoff, header->e_shnum * sizeof(Elf64_Shdr));
	if (elf->sections[0].sh_type != SHT_NULL) {
		return csd_refuse(elf->reason, "ELF: section 0 is in use");
	}
	elf->sections[0].sh_size = 0;
	for (uint32_t i = 1; i < header->e_shnum; i++) {
		Elf64_Shdr *section = &elf->sections[i];

		if (section->sh_addralign & (section->sh_addralign - 1)) {
			return csd_refuse(elf->reason, "ELF: section %u: alignment %llu is no power of two", i,
					  (unsigned long long)section->sh_addralign);
		}
		if (section->sh_type == SHT_NULL || section->sh_type == SHT_NOBITS) {
			section->sh_size = 0;	/* occupies nothing in the file, and nothing is ever read from it */
			continue;
		}
		if (section->sh_offset > elf->length || section->sh_size > elf->length - section->sh_offset) {
			return csd_refuse(elf->reason, "ELF: truncated: section %u has %llu bytes from %llu on, in a file of %zu", i,
					  (unsigned long long)section->sh_size, (unsigned long long)section->sh_offset, elf->length);
		}
		if (section->sh_addralign > 1 && section->sh_offset % section->sh_addralign != 0) {
			return csd_refuse(elf->reason, "ELF: section %u is misaligned: it begins at %llu, aligned to %llu", i,
					  (unsigned long long)section->sh_offset, (unsigned long long)section->sh_addralign);
		}
		if (overlap(section->sh_offset, section->sh_size, 0, sizeof(*header)) ||
		    overlap(section->sh_offset, section->sh_size, header->e_shoff, header->e_shnum * sizeof(Elf64_Shdr))) {
			return csd_refuse(elf->reason, "ELF: section %u overlaps the headers", i);
		}
		for (uint32_t k = 1; k < i; k++) {
			if (overlap(section->sh_offset, section->sh_size, elf->sections[k].sh_offset,
				    elf->sections[k].sh_size)) {
				return csd_refuse(elf->reason, "ELF: sections %u and %u overlap", k, i);
			}
		}
	}
	elf->names = elf->sections[header->e_shstrndx];
	if (elf->names.sh_type != SHT_STRTAB) {
		return csd_refuse(elf->reason, "ELF: section %u, for the names of sections, is no string table",
				  header->e_shstrndx);
	}
	return 0;
}

/* The one section that is, or begins with, `wanted`; 0 with a reason. */
static uint32_t
find_section(const struct reader *elf, const char *wanted, bool prefix)
{
	uint32_t found = 0;

	for (uint32_t i = 1; i < elf->header.e_shnum; i++) {
		struct name name = section_name(elf, i);

		if (!name.valid || (prefix ? strncmp(name.text, wanted, strlen(wanted)) : strcmp(name.text, wanted)) != 0) {
			continue;
		}
		if (found != 0) {
			csd_refuse(elf->reason, "ELF: sections %u and %u are both %s%s: one is allowed", found, i, wanted,
				   prefix ? "..." : "");
			return 0;
		}
		found = i;
	}
	if (found == 0) {
		csd_refuse(elf->reason, "ELF: no section %s%s", wanted, prefix ? "...: mark the program with CSD_PROGRAM" : "");
	}
	return found;
}

static int
check_geometry(const struct csd_geometry *geometry, char *reason)
{
	if (geometry->version != CSD_GEOMETRY_VERSION) {
		return csd_refuse(reason, "geometry: version %u; this drive knows %u", geometry->version, CSD_GEOMETRY_VERSION);
	}
	if (geometry->record_bytes < 1 || geometry->record_bytes > CSD_MAX_RECORD_BYTES) {
		return csd_refuse(reason, "geometry: records of %u bytes; 1 to %u are possible", geometry->record_bytes,
				  CSD_MAX_RECORD_BYTES);
	}
	if (geometry->stride_bytes < 1 || geometry->stride_bytes > CSD_MAX_RECORD_BYTES) {
		return csd_refuse(reason, "geometry: a stride of %u bytes; 1 to %u are possible", geometry->stride_bytes,
				  CSD_MAX_RECORD_BYTES);
	}
	if (geometry->state_bytes > CSD_MAX_STATE_BYTES) {
		return csd_refuse(reason, "geometry: state of %u bytes; at most %u are possible", geometry->state_bytes,
				  CSD_MAX_STATE_BYTES);
	}
	if (geometry->emit > CSD_EMIT_NOTHING) {
		return csd_refuse(reason, "geometry: emit %u; 0 to %u are known", geometry->emit, CSD_EMIT_NOTHING);
	}
	if ((geometry->flags & ~CSD_POSITIONS) != 0 || geometry->reserved[0] != 0 || geometry->reserved[1] != 0) {
		return csd_refuse(reason, "geometry: flags %#x or reserved words that this drive does not know", geometry->flags);
	}
	if ((geometry->flags & CSD_POSITIONS) != 0 && geometry->emit != CSD_EMIT_OFFSET) {
		return csd_refuse(reason, "geometry: positions (CSD_POSITIONS) need emit %u, not %u", CSD_EMIT_OFFSET,
				  geometry->emit);
	}
	return 0;
}

static int
read_geometry(const struct reader *elf, struct csd_geometry *geometry)
{
	uint32_t index = find_section(elf, GEOMETRY, false);
	const Elf64_Shdr *section = &elf->sections[index];

	if (index == 0) {
		return -EINVAL;
	}
	if (section->sh_type != SHT_PROGBITS || section->sh_size != sizeof(*geometry)) {
		return csd_refuse(elf->reason, "ELF: section %s has %llu bytes of data, not %zu", GEOMETRY,
				  (unsigned long long)section->sh_size, sizeof(*geometry));
	}
	memcpy(geometry, elf->bytes + section->sh_offset, sizeof(*geometry));
	return check_geometry(geometry, elf->reason);
}

static int
read_insns(struct csd_code *code, const uint8_t *bytes, uint64_t length, char *reason)
{
	if (length == 0 || length % sizeof(struct csd_insn) != 0) {
		return csd_refuse(reason, "a program is instructions of %zu bytes: %llu bytes are none", sizeof(struct csd_insn),
				  (unsigned long long)length);
	}
	if (length / sizeof(struct csd_insn) > CSD_MAX_INSTRUCTIONS) {
		return csd_refuse(reason, "%llu instructions; at most %u are possible",
				  (unsigned long long)(length / sizeof(struct csd_insn)), CSD_MAX_INSTRUCTIONS);
	}
	code->insns = malloc(length);
	if (code->insns == NULL) {
		return -ENOMEM;
	}
	memcpy(code->insns, bytes, length);
	code->count = length / sizeof(struct csd_insn);
	return 0;
}

static int
read_program(const struct reader *elf, uint32_t index, struct csd_code *code)
{
	const Elf64_Shdr *section = &elf->sections[index];
	struct name name = section_name(elf, index);

	if (section->sh_type != SHT_PROGBITS || !(section->sh_flags & SHF_EXECINSTR)) {
		return csd_refuse(elf->reason, "ELF: section %s holds no instructions", name.text);
	}
	if (section->sh_offset % sizeof(struct csd_insn) != 0) {
		return csd_refuse(elf->reason, "ELF: section %s is misaligned: it begins at %llu", name.text,
				  (unsigned long long)section->sh_offset);
	}
	for (uint32_t i = 1; i < elf->header.e_shnum; i++) {
		if (i != index && (elf->sections[i].sh_flags & SHF_EXECINSTR) && elf->sections[i].sh_size > 0) {
			return csd_refuse(elf->reason, "ELF: code outside of %s, in section %s: a program is one function", name.text,
					  section_name(elf, i).text);
		}
	}
	if (strlen(name.text) >= sizeof(code->kind)) {
		return csd_refuse(elf->reason, "section %s: no engine runs this kind of program", name.text);
	}
	strcpy(code->kind, name.text);
	return read_insns(code, elf->bytes + section->sh_offset, section->sh_size, elf->reason);
}

/* The symbol table, checked as a whole; NULL with a reason. */
static const Elf64_Shdr *
find_symbols(const struct reader *elf)
{
	const Elf64_Shdr *found = NULL;

	for (uint32_t i = 1; i < elf->header.e_shnum; i++) {
		const Elf64_Shdr *section = &elf->sections[i];

		if (section->sh_type != SHT_SYMTAB) {
			continue;
		}
		if (found != NULL) {
			csd_refuse(elf->reason, "ELF: two symbol tables");
			return NULL;
		}
		if (section->sh_entsize != sizeof(Elf64_Sym) || section->sh_size % sizeof(Elf64_Sym) != 0 ||
		    section->sh_offset % 8 != 0) {
			csd_refuse(elf->reason, "ELF: the symbol table is misaligned or not made of symbols");
			return NULL;
		}
		if (section->sh_link >= elf->header.e_shnum || elf->sections[section->sh_link].sh_type != SHT_STRTAB) {
			csd_refuse(elf->reason, "ELF: the symbol table's strings, section %u, are no string table", section->sh_link);
			return NULL;
		}
		found = section;
	}
	if (found == NULL) {
		csd_refuse(elf->reason, "ELF: no symbol table");
	}
	return found;
}

static Elf64_Sym
symbol_at(const struct reader *elf, const Elf64_Shdr *symbols, uint64_t index)
{
	Elf64_Sym symbol;

	memcpy(&symbol, elf->bytes + symbols->sh_offset + index * sizeof(symbol), sizeof(symbol));
	return symbol;
}

static struct name
symbol_name(const struct reader *elf, const Elf64_Shdr *symbols, const Elf64_Sym *symbol)
{
	return read_name(elf, &elf->sections[symbols->sh_link], symbol->st_name);
}

/* A program is one function, which fills its section. */
static int
check_function(const struct reader *elf, const Elf64_Shdr *symbols, uint32_t program)
{
	Elf64_Sym function = {0};
	uint32_t functions = 0;

	for (uint64_t i = 1; i < symbols->sh_size / sizeof(Elf64_Sym); i++) {
		Elf64_Sym symbol = symbol_at(elf, symbols, i);

		if (symbol.st_shndx != program || ELF64_ST_TYPE(symbol.st_info) != STT_FUNC) {
			continue;
		}
		if (++functions > 1) {
			return csd_refuse(elf->reason, "ELF: several functions (%s is the second): a program is one",
					  symbol_name(elf, symbols, &symbol).text);
		}
		function = symbol;
	}
	if (functions == 0) {
		return csd_refuse(elf->reason, "ELF: no function in section %s", section_name(elf, program).text);
	}
	if (function.st_value != 0 || function.st_size != elf->sections[program].sh_size) {
		return csd_refuse(elf->reason, "ELF: function %s has bytes %llu to %llu of its section of %llu, not all",
				  symbol_name(elf, symbols, &function).text, (unsigned long long)function.st_value,
				  (unsigned long long)(function.st_value + function.st_size),
				  (unsigned long long)elf->sections[program].sh_size);
	}
	return 0;
}

static int
relocate(const struct reader *elf, const Elf64_Shdr *symbols, struct csd_code *code, const Elf64_Rel *relocation)
{
	uint64_t at = relocation->r_offset / sizeof(struct csd_insn);
	uint64_t index = ELF64_R_SYM(relocation->r_info);
	struct csd_insn *insn;
	Elf64_Sym symbol;
	struct name name;
	uint64_t offset;
	int32_t variable;

	if (relocation->r_offset % sizeof(struct csd_insn) != 0 || at >= code->count) {
		return csd_refuse(elf->reason, "ELF: a relocation at byte %llu, where no instruction begins",
				  (unsigned long long)relocation->r_offset);
	}
	if (index == 0 || index >= symbols->sh_size / sizeof(Elf64_Sym)) {
		return csd_refuse(elf->reason, "instruction %llu: relocation to symbol %llu, which does not exist",
				  (unsigned long long)at, (unsigned long long)index);
	}
	symbol = symbol_at(elf, symbols, index);
	name = symbol_name(elf, symbols, &symbol);
	if (name.text[0] == '\0' && symbol.st_shndx < elf->header.e_shnum) {
		name = section_name(elf, symbol.st_shndx);
	}
	if (ELF64_R_TYPE(relocation->r_info) == R_BPF_64_32) {
		return csd_refuse(elf->reason, "instruction %llu calls %s: a program calls nothing", (unsigned long long)at,
				  name.text);
	}
	insn = &code->insns[at];
	if (ELF64_R_TYPE(relocation->r_info) != R_BPF_64_64 || insn->code != LD_IMM64 || at + 1 >= code->count) {
		return csd_refuse(elf->reason, "instruction %llu: relocation of type %llu to %s on an instruction that cannot have it",
				  (unsigned long long)at, (unsigned long long)ELF64_R_TYPE(relocation->r_info), name.text);
	}
	variable = !name.valid || symbol.st_shndx != SHN_UNDEF ? 0 :
		   strcmp(name.text, "csd_parameters") == 0 ? CSD_EXTERN_PARAMETERS :
		   strcmp(name.text, "csd_state") == 0 ? CSD_EXTERN_STATE : 0;
	if (variable == 0) {
		return csd_refuse(elf->reason, "instruction %llu uses %s: a program has csd_parameters, csd_state and its record",
				  (unsigned long long)at, name.text);
	}
	if (insn->src != 0) {
		return csd_refuse(elf->reason, "instruction %llu: two relocations", (unsigned long long)at);
	}
	offset = (uint32_t)insn[0].imm | (uint64_t)(uint32_t)insn[1].imm << 32;
	if (offset > CSD_MAX_STATE_BYTES) {
		return csd_refuse(elf->reason, "instruction %llu: %s has no byte %llu", (unsigned long long)at, name.text,
				  (unsigned long long)offset);
	}
	insn[0].src = CSD_EXTERN;
	insn[0].imm = variable;
	insn[1].imm = offset;
	return 0;
}

static int
relocate_all(const struct reader *elf, const Elf64_Shdr *symbols, uint32_t program, struct csd_code *code)
{
	for (uint32_t i = 1; i < elf->header.e_shnum; i++) {
		const Elf64_Shdr *section = &elf->sections[i];

		if ((section->sh_type != SHT_REL && section->sh_type != SHT_RELA) || section->sh_info != program) {
			continue;	/* those of debug information are nobody's business here */
		}
		if (section->sh_type != SHT_REL || section->sh_entsize != sizeof(Elf64_Rel) ||
		    section->sh_size % sizeof(Elf64_Rel) != 0 || section->sh_offset % 8 != 0 ||
		    section->sh_link >= elf->header.e_shnum || &elf->sections[section->sh_link] != symbols) {
			return csd_refuse(elf->reason, "ELF: relocations in section %u are misaligned, or of another form than clang's",
					  i);
		}
		for (uint64_t offset = 0; offset < section->sh_size; offset += sizeof(Elf64_Rel)) {
			Elf64_Rel relocation;
			int rc;

			memcpy(&relocation, elf->bytes + section->sh_offset + offset, sizeof(relocation));
			rc = relocate(elf, symbols, code, &relocation);
			if (rc != 0) {
				return rc;
			}
		}
	}
	return 0;
}

static int
read_object(const uint8_t *bytes, size_t length, struct csd_code *code, char *reason)
{
	struct reader *elf = calloc(1, sizeof(*elf));
	const Elf64_Shdr *symbols;
	uint32_t program;
	int rc;

	if (elf == NULL) {
		return -ENOMEM;
	}
	*elf = (struct reader) {.bytes = bytes, .length = length, .reason = reason};
	rc = check_header(elf);
	if (rc == 0) {
		rc = check_sections(elf);
	}
	if (rc == 0) {
		program = find_section(elf, KIND_PREFIX, true);
		rc = program == 0 ? -EINVAL : read_program(elf, program, code);
	}
	if (rc == 0) {
		rc = read_geometry(elf, &code->geometry);
	}
	if (rc == 0) {
		symbols = find_symbols(elf);
		rc = symbols == NULL ? -EINVAL : check_function(elf, symbols, program);
	}
	if (rc == 0) {
		rc = relocate_all(elf, symbols, program, code);
	}
	free(elf);
	return rc;
}

static int
read_stream(const uint8_t *bytes, size_t length, const struct csd_load_options *options, struct csd_code *code,
	    char *reason)
{
	uint32_t record_bytes = options->record_bytes != 0 ? options->record_bytes : 64;
	int rc;

	code->geometry = (struct csd_geometry) {
		.version = CSD_GEOMETRY_VERSION,
		.record_bytes = record_bytes,
		.stride_bytes = options->stride_bytes != 0 ? options->stride_bytes : record_bytes,
		.state_bytes = options->state_bytes != 0 ? options->state_bytes : 64,
		.emit = options->emit,
	};
	strcpy(code->kind, "csd/record");
	rc = check_geometry(&code->geometry, reason);
	return rc != 0 ? rc : read_insns(code, bytes, length, reason);
}

int
csd_elf_read(const void *bytes, size_t length, const struct csd_load_options *options, struct csd_code *code,
	     char reason[CSD_REASON_BYTES])
{
	int rc;

	*code = (struct csd_code) {.insns = NULL};
	if (length > CSD_MAX_PROGRAM_BYTES) {
		return csd_refuse(reason, "a program of %zu bytes; at most %u are possible", length, CSD_MAX_PROGRAM_BYTES);
	}
	if (length >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0) {
		rc = read_object(bytes, length, code, reason);
	} else {
		rc = read_stream(bytes, length, options, code, reason);
	}
	if (rc != 0) {
		free(code->insns);
		code->insns = NULL;
	}
	return rc;
}
