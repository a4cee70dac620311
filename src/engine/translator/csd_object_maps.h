/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_OBJECT_MAPS_H
#define CSD_OBJECT_MAPS_H

#include "csd_object.h"

/*
 * The maps that an object declares in section .maps, as libbpf has it: __uint(), __type() and their like in a variable whose
 * type BTF describes; after its other data. 0, -EINVAL with a reason, or -ENOMEM.
 */
int csd_object_read_maps(const struct csd_elf_file *elf, const Elf64_Shdr *symbols, uint32_t section,
			 struct csd_object *object);

#endif
