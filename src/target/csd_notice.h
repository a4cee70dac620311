/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Lines in the log that a host, or a failing device, can cause: at most CSD_NOTICE_MOST in CSD_NOTICE_SECONDS, from all
 * of them together; the next line says how many were left out. What the verifier says of programs is counted on its own,
 * refusals (and how programs end), verdicts, and what faults deactivated apart: none pushes another out, nor do refused
 * commands.
 */
#ifndef CSD_NOTICE_H
#define CSD_NOTICE_H

#include "spdk/stdinc.h"
#include "spdk_internal/log.h"

#define CSD_NOTICE_MOST		20
#define CSD_NOTICE_SECONDS	10

enum csd_notice_kind {
	CSD_NOTICE_COMMANDS,
	CSD_NOTICE_PROGRAMS,
	CSD_NOTICE_VERDICTS,
	CSD_NOTICE_DEACTIVATIONS,
	CSD_NOTICE_KINDS,
};

bool csd_notice_take(enum csd_notice_kind kind, uint64_t *dropped);

#define CSD_NOTICE(...)	CSD_NOTICE_OF(CSD_NOTICE_COMMANDS, __VA_ARGS__)

#define CSD_NOTICE_OF(kind, ...) do { \
	uint64_t csd_notice_dropped; \
	if (csd_notice_take(kind, &csd_notice_dropped)) { \
		if (csd_notice_dropped > 0) { \
			SPDK_NOTICELOG("%" PRIu64 " lines about hosts' commands were left out\n", csd_notice_dropped); \
		} \
		SPDK_NOTICELOG(__VA_ARGS__); \
	} \
} while (0)

#endif
