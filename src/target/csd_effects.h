/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Log 05h, Commands Supported and Effects. Plain: knows nothing of SPDK. */
#ifndef CSD_EFFECTS_H
#define CSD_EFFECTS_H

#include <stdbool.h>
#include <stdint.h>

#define CSD_EFFECT_SUPPORTED	(1u << 0)
#define CSD_EFFECT_CONTENT	(1u << 1)	/* changes what the namespace holds: a host asks for a descriptor open for writing */

struct csd_effects {
	uint32_t admin[256];
	uint32_t io[256];
	uint8_t reserved2048[2048];
};
_Static_assert(sizeof(struct csd_effects) == 4096, "commands supported and effects");

/* The log of one command set, into zeroed memory. false: there is no such command set here. */
bool csd_effects_fill(uint8_t csi, struct csd_effects *effects);

#endif
