/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The bytes come from a remote host: nothing in them is believed before it was checked, nothing is used in place.
 * libelf (elf_memory) was considered: it reads every kind of ELF, trusts offsets inside headers further than a drive
 * may, and would need all the checks below around it. What clang emits for a program is a small subset of ELF, and
 * a strict reader of that subset is smaller.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "csd_elf_file.h"

#ifndef EM_BPF
#define EM_BPF	247
#endif

static struct csd_elf_name
elf_file_read_name(const struct csd_elf_file *elf, const Elf64_Shdr *table, uint32_t offset)
{
	struct csd_elf_name name = {.text = "(name that is none)"};
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
	name.valid = length < CSD_ELF_NAME_BYTES;
	length = name.valid ? length : CSD_ELF_NAME_BYTES - 1;
	for (size_t i = 0; i < length; i++) {
		name.text[i] = isprint((unsigned char)text[i]) && (unsigned char)text[i] < 0x80 ? text[i] : '?';
		name.valid = name.valid && name.text[i] == text[i];
	}
	name.text[length] = '\0';
	return name;
}

struct csd_elf_name
csd_elf_section_name(const struct csd_elf_file *elf, uint32_t index)
{
	return elf_file_read_name(elf, &elf->names, elf->sections[index].sh_name);
}

static int
elf_file_check_header(struct csd_elf_file *elf)
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
	if (header->e_shnum < 2 || header->e_shnum > CSD_ELF_SECTIONS) {
		return csd_refuse(elf->reason, "ELF: %u sections; 2 to %u are read", header->e_shnum, CSD_ELF_SECTIONS);
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
elf_file_overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
	return a_bytes > 0 && b_bytes > 0 && a < b + b_bytes && b < a + a_bytes;
}

static int
elf_file_check_sections(struct csd_elf_file *elf)
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
		if (elf_file_overlap(section->sh_offset, section->sh_size, 0, sizeof(*header)) ||
		    elf_file_overlap(section->sh_offset, section->sh_size, header->e_shoff,
				     header->e_shnum * sizeof(Elf64_Shdr))) {
			return csd_refuse(elf->reason, "ELF: section %u overlaps the headers", i);
		}
		for (uint32_t k = 1; k < i; k++) {
			if (elf_file_overlap(section->sh_offset, section->sh_size, elf->sections[k].sh_offset,
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

uint32_t
csd_elf_find_section(const struct csd_elf_file *elf, const char *wanted, bool prefix)
{
	uint32_t found = 0;

	for (uint32_t i = 1; i < elf->header.e_shnum; i++) {
		struct csd_elf_name name = csd_elf_section_name(elf, i);

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

const Elf64_Shdr *
csd_elf_find_symbols(const struct csd_elf_file *elf)
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

Elf64_Sym
csd_elf_symbol_at(const struct csd_elf_file *elf, const Elf64_Shdr *symbols, uint64_t index)
{
	Elf64_Sym symbol;

	memcpy(&symbol, elf->bytes + symbols->sh_offset + index * sizeof(symbol), sizeof(symbol));
	return symbol;
}

struct csd_elf_name
csd_elf_symbol_name(const struct csd_elf_file *elf, const Elf64_Shdr *symbols, const Elf64_Sym *symbol)
{
	return elf_file_read_name(elf, &elf->sections[symbols->sh_link], symbol->st_name);
}

int
csd_elf_open(struct csd_elf_file *elf, const uint8_t *bytes, size_t length, char reason[CSD_REASON_BYTES])
{
	int rc;

	*elf = (struct csd_elf_file) {.bytes = bytes, .length = length, .reason = reason};
	rc = elf_file_check_header(elf);
	return rc != 0 ? rc : elf_file_check_sections(elf);
}
