/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The container of a program: an ELF object's sections, names and symbols, each checked before it is used. */
#ifndef CSD_ELF_FILE_H
#define CSD_ELF_FILE_H

#include <elf.h>

#include "csd_code.h"

#define CSD_ELF_SECTIONS	256
#define CSD_ELF_NAME_BYTES	48

/* Relocations of eBPF */
#define R_BPF_64_64	1	/* the immediate of an ld_imm64 */
#define R_BPF_64_ABS64	2	/* eight bytes of data */
#define R_BPF_64_ABS32	3	/* four bytes of data */
#define R_BPF_64_32	10	/* the immediate of a call */

struct csd_elf_file {
	const uint8_t *bytes;
	size_t length;
	Elf64_Ehdr header;
	Elf64_Shdr sections[CSD_ELF_SECTIONS];
	Elf64_Shdr names;
	char *reason;
};

/* A name out of the file, fit for logs: the string that begins at `offset` of a string table. */
struct csd_elf_name {
	char text[CSD_ELF_NAME_BYTES];
	bool valid;		/* a printable string that ends inside its table and is not too long */
};

/* The header and all section headers: after it, every section with bytes in the file lies in the file. 0 or -EINVAL. */
int csd_elf_open(struct csd_elf_file *elf, const uint8_t *bytes, size_t length, char reason[CSD_REASON_BYTES]);

struct csd_elf_name csd_elf_section_name(const struct csd_elf_file *elf, uint32_t index);

/* The one section that is, or begins with, `wanted`; 0 with a reason. */
uint32_t csd_elf_find_section(const struct csd_elf_file *elf, const char *wanted, bool prefix);

/* The symbol table, checked as a whole; NULL with a reason. */
const Elf64_Shdr *csd_elf_find_symbols(const struct csd_elf_file *elf);
Elf64_Sym csd_elf_symbol_at(const struct csd_elf_file *elf, const Elf64_Shdr *symbols, uint64_t index);
struct csd_elf_name csd_elf_symbol_name(const struct csd_elf_file *elf, const Elf64_Shdr *symbols, const Elf64_Sym *symbol);

#endif
