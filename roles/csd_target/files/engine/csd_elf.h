/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_ELF_H
#define CSD_ELF_H

#include "csd_elf_file.h"

/*
 * Reads a program out of an ELF object or a bare instruction stream. 0: free code->insns with free(); -EINVAL with a
 * reason; -ENOMEM. Says nothing about the instructions, except that relocations lie on instructions that can have one.
 */
int csd_elf_read(const void *bytes, size_t length, const struct csd_load_options *options, struct csd_code *code,
		 char reason[CSD_REASON_BYTES]);

/* What the section csd_geometry says, checked. 0, or -EINVAL with a reason. */
int csd_elf_read_geometry(const struct csd_elf_file *elf, struct csd_geometry *geometry);

#endif
