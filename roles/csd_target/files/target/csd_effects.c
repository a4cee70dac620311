/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_effects.h"

#include <stddef.h>

#include "nvme_csd.h"

struct effect {
	uint8_t opcode;
	uint8_t effects;
};

#define READS	CSD_EFFECT_SUPPORTED
#define WRITES	(CSD_EFFECT_SUPPORTED | CSD_EFFECT_CONTENT)

static const struct effect g_admin[] = {
	{ 0x02, READS },	/* Get Log Page */
	{ 0x06, READS },	/* Identify */
	{ 0x08, READS },	/* Abort */
	{ 0x09, READS },	/* Set Features */
	{ 0x0a, READS },	/* Get Features */
	{ 0x0c, READS },	/* Asynchronous Event Request */
	{ 0x18, READS },	/* Keep Alive */
	{ NVME_LOAD_PROGRAM, READS },
	{ NVME_PROGRAM_ACTIVATION, READS },
	{ NVME_MEMORY_RANGE_SET, READS },
	{},
};

static const struct effect g_nvm[] = {
	{ 0x00, WRITES },	/* Flush */
	{ 0x01, WRITES },	/* Write */
	{ 0x02, READS },	/* Read */
	{ 0x05, READS },	/* Compare */
	{ 0x08, WRITES },	/* Write Zeroes */
	{ 0x09, WRITES },	/* Dataset Management */
	{},
};

static const struct effect g_slm[] = {
	{ NVME_SLM_COPY, WRITES },
	{ NVME_SLM_READ, READS },
	{ NVME_SLM_FILL, WRITES },
	{ NVME_SLM_WRITE, WRITES },
	{},
};

/* Execute and Scan write into SLM where they are given a memory range set. */
static const struct effect g_compute[] = {
	{ NVME_EXECUTE_PROGRAM, WRITES },
	{ CSD_SCAN, READS },
	{},
};

static void
fill(const struct effect *effect, uint32_t *table)
{
	for (; effect->effects != 0; effect++) {
		table[effect->opcode] = effect->effects;
	}
}

bool
csd_effects_fill(uint8_t csi, struct csd_effects *effects)
{
	const struct effect *io;

	switch (csi) {
	case NVME_CSI_NVM:
		io = g_nvm;
		break;
	case NVME_CSI_SLM:
		io = g_slm;
		break;
	case NVME_CSI_COMPUTE:
		io = g_compute;
		break;
	default:
		return false;
	}
	fill(g_admin, effects->admin);
	fill(io, effects->io);
	return true;
}
