/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* How a record program goes through its input: struct csd_geometry (csd_bpf.h), checked. Each: 0, or -EINVAL with a reason. */
#ifndef CSD_GEOMETRY_H
#define CSD_GEOMETRY_H

#include "csd_elf_file.h"

int csd_geometry_check(const struct csd_geometry *geometry, char reason[CSD_REASON_BYTES]);

/* What the section csd_geometry says. */
int csd_geometry_read(const struct csd_elf_file *elf, struct csd_geometry *geometry);

#endif
