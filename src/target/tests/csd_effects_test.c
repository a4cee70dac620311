/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_effects.h"

#include <stdio.h>
#include <stdlib.h>

#include "nvme_csd.h"

static unsigned g_checks;

/* As Linux reads it: supported, and whether the descriptor has to be open for writing. */
static void
expect(uint8_t csi, uint8_t opcode, uint32_t effects)
{
	struct csd_effects log = {};

	g_checks++;
	if (!csd_effects_fill(csi, &log) || log.io[opcode] != effects) {
		fprintf(stderr, "command set %02x, opcode %02x: %x, expected %x\n", csi, opcode, log.io[opcode], effects);
		exit(1);
	}
}

int
main(void)
{
	struct csd_effects log = {};
	unsigned i, supported = 0;

	expect(NVME_CSI_NVM, 0x01, 3);
	expect(NVME_CSI_NVM, 0x02, 1);
	expect(NVME_CSI_NVM, 0x04, 0);
	/* Reservations: Register, Report, Acquire, Release */
	expect(NVME_CSI_NVM, 0x0d, 1);
	expect(NVME_CSI_NVM, 0x0e, 1);
	expect(NVME_CSI_NVM, 0x11, 1);
	expect(NVME_CSI_NVM, 0x15, 1);
	expect(NVME_CSI_SLM, NVME_SLM_COPY, 3);
	expect(NVME_CSI_SLM, NVME_SLM_READ, 1);
	expect(NVME_CSI_SLM, NVME_SLM_FILL, 3);
	expect(NVME_CSI_SLM, NVME_SLM_WRITE, 3);
	expect(NVME_CSI_SLM, NVME_FLUSH, 3);
	expect(NVME_CSI_SLM, 0x0d, 0);
	expect(NVME_CSI_COMPUTE, NVME_EXECUTE_PROGRAM, 3);
	expect(NVME_CSI_COMPUTE, CSD_SCAN, 3);
	expect(NVME_CSI_COMPUTE, NVME_FLUSH, 1);
	if (csd_effects_fill(0x02, &log) || csd_effects_fill(0x05, &log)) {
		fprintf(stderr, "a command set that is not there has a log\n");
		return 1;
	}
	csd_effects_fill(NVME_CSI_COMPUTE, &log);
	for (i = 0; i < 256; i++) {
		supported += log.admin[i] != 0;
	}
	if (supported != 10 || log.admin[NVME_LOAD_PROGRAM] != 1) {
		fprintf(stderr, "%u admin commands\n", supported);
		return 1;
	}
	printf("csd_effects: %u checks\n", g_checks + 3);
	return 0;
}
