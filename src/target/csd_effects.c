/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_effects.h"

#include <stddef.h>

#include "nvme_csd.h"

struct effect {
	uint8_t opcode;
	uint8_t effects;
};

#define SUPPORTED CSD_EFFECT_SUPPORTED
#define CHANGES	  (CSD_EFFECT_SUPPORTED | CSD_EFFECT_CONTENT)

static const struct effect g_admin[] = {
	{ 0x02, SUPPORTED },	/* Get Log Page */
	{ 0x06, SUPPORTED },	/* Identify */
	{ 0x08, SUPPORTED },	/* Abort */
	{ 0x09, SUPPORTED },	/* Set Features */
	{ 0x0a, SUPPORTED },	/* Get Features */
	{ 0x0c, SUPPORTED },	/* Asynchronous Event Request */
	{ 0x18, SUPPORTED },	/* Keep Alive */
	{ NVME_LOAD_PROGRAM, SUPPORTED },
	{ NVME_PROGRAM_ACTIVATION, SUPPORTED },
	{ NVME_MEMORY_RANGE_SET, SUPPORTED },
	{},
};

static const struct effect g_nvm[] = {
	{ NVME_FLUSH, CHANGES },
	{ 0x01, CHANGES },	/* Write */
	{ 0x02, SUPPORTED },	/* Read */
	{ 0x05, SUPPORTED },	/* Compare */
	{ 0x08, CHANGES },	/* Write Zeroes */
	{ 0x09, CHANGES },	/* Dataset Management */
	{ 0x0d, SUPPORTED },	/* Reservation Register */
	{ 0x0e, SUPPORTED },	/* Reservation Report */
	{ 0x11, SUPPORTED },	/* Reservation Acquire */
	{ 0x15, SUPPORTED },	/* Reservation Release */
	{},
};

static const struct effect g_slm[] = {
	{ NVME_FLUSH, CHANGES },	/* or Fill */
	{ NVME_SLM_COPY, CHANGES },
	{ NVME_SLM_READ, SUPPORTED },
	{ NVME_SLM_FILL, CHANGES },
	{ NVME_SLM_WRITE, CHANGES },
	{},
};

/* Execute and Scan write into SLM where they are given memory for it. */
static const struct effect g_compute[] = {
	{ NVME_FLUSH, SUPPORTED },
	{ NVME_EXECUTE_PROGRAM, CHANGES },
	{ CSD_SCAN, CHANGES },
	{},
};

static void
effects_fill(const struct effect *effect, uint32_t *table)
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
	effects_fill(g_admin, effects->admin);
	effects_fill(io, effects->io);
	return true;
}
