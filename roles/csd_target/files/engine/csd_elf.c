/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "csd_elf.h"

#define KIND_PREFIX	"csd/"
#define GEOMETRY	"csd_geometry"

#define LD_IMM64	0x18

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

int
csd_elf_read_geometry(const struct csd_elf_file *elf, struct csd_geometry *geometry)
{
	uint32_t index = csd_elf_find_section(elf, GEOMETRY, false);
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
read_program(const struct csd_elf_file *elf, uint32_t index, struct csd_code *code)
{
	const Elf64_Shdr *section = &elf->sections[index];
	struct csd_elf_name name = csd_elf_section_name(elf, index);

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
					  csd_elf_section_name(elf, i).text);
		}
	}
	if (strlen(name.text) >= sizeof(code->kind)) {
		return csd_refuse(elf->reason, "section %s: no engine runs this kind of program", name.text);
	}
	strcpy(code->kind, name.text);
	return read_insns(code, elf->bytes + section->sh_offset, section->sh_size, elf->reason);
}

/* A program is one function, which fills its section. */
static int
check_function(const struct csd_elf_file *elf, const Elf64_Shdr *symbols, uint32_t program)
{
	Elf64_Sym function = {0};
	uint32_t functions = 0;

	for (uint64_t i = 1; i < symbols->sh_size / sizeof(Elf64_Sym); i++) {
		Elf64_Sym symbol = csd_elf_symbol_at(elf, symbols, i);

		if (symbol.st_shndx != program || ELF64_ST_TYPE(symbol.st_info) != STT_FUNC) {
			continue;
		}
		if (++functions > 1) {
			return csd_refuse(elf->reason, "ELF: several functions (%s is the second): a program is one",
					  csd_elf_symbol_name(elf, symbols, &symbol).text);
		}
		function = symbol;
	}
	if (functions == 0) {
		return csd_refuse(elf->reason, "ELF: no function in section %s", csd_elf_section_name(elf, program).text);
	}
	if (function.st_value != 0 || function.st_size != elf->sections[program].sh_size) {
		return csd_refuse(elf->reason, "ELF: function %s has bytes %llu to %llu of its section of %llu, not all",
				  csd_elf_symbol_name(elf, symbols, &function).text, (unsigned long long)function.st_value,
				  (unsigned long long)(function.st_value + function.st_size),
				  (unsigned long long)elf->sections[program].sh_size);
	}
	return 0;
}

static int
relocate(const struct csd_elf_file *elf, const Elf64_Shdr *symbols, struct csd_code *code, const Elf64_Rel *relocation)
{
	uint64_t at = relocation->r_offset / sizeof(struct csd_insn);
	uint64_t index = ELF64_R_SYM(relocation->r_info);
	struct csd_insn *insn;
	Elf64_Sym symbol;
	struct csd_elf_name name;
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
	symbol = csd_elf_symbol_at(elf, symbols, index);
	name = csd_elf_symbol_name(elf, symbols, &symbol);
	if (name.text[0] == '\0' && symbol.st_shndx < elf->header.e_shnum) {
		name = csd_elf_section_name(elf, symbol.st_shndx);
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
relocate_all(const struct csd_elf_file *elf, const Elf64_Shdr *symbols, uint32_t program, struct csd_code *code)
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
	struct csd_elf_file *elf = calloc(1, sizeof(*elf));
	const Elf64_Shdr *symbols;
	uint32_t program;
	int rc;

	if (elf == NULL) {
		return -ENOMEM;
	}
	rc = csd_elf_open(elf, bytes, length, reason);
	if (rc == 0) {
		program = csd_elf_find_section(elf, KIND_PREFIX, true);
		rc = program == 0 ? -EINVAL : read_program(elf, program, code);
	}
	if (rc == 0) {
		rc = csd_elf_read_geometry(elf, &code->geometry);
	}
	if (rc == 0) {
		symbols = csd_elf_find_symbols(elf);
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
