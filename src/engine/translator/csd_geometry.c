/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <string.h>

#include "csd_geometry.h"

#define GEOMETRY	"csd_geometry"

int
csd_geometry_check(const struct csd_geometry *geometry, char reason[CSD_REASON_BYTES])
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
csd_geometry_read(const struct csd_elf_file *elf, struct csd_geometry *geometry)
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
	return csd_geometry_check(geometry, elf->reason);
}
