/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_supported.h"

#include "nvme_csd.h"

const uint32_t csd_supported_logs[256] = {
	[NVME_LOG_SUPPORTED_PAGES] = CSD_SUPPORTED,
	[0x01] = CSD_SUPPORTED,		/* Error Information */
	[0x02] = CSD_SUPPORTED,		/* SMART / Health Information */
	[0x03] = CSD_SUPPORTED,		/* Firmware Slot Information */
	[0x04] = CSD_SUPPORTED,		/* Changed Attached Namespace List */
	[NVME_LOG_COMMANDS_AND_EFFECTS] = CSD_SUPPORTED,
	[NVME_LOG_FEATURES] = CSD_SUPPORTED,
	[NVME_LOG_REACHABILITY_GROUPS] = CSD_SUPPORTED,
	[NVME_LOG_REACHABILITY_ASSOCIATIONS] = CSD_SUPPORTED,
	[0x80] = CSD_SUPPORTED,		/* Reservation Notification */
	[NVME_LOG_PROGRAM_LIST] = CSD_SUPPORTED,
	[NVME_LOG_PROGRAM_TYPES] = CSD_SUPPORTED,
	[NVME_LOG_MEMORY_RANGE_SETS] = CSD_SUPPORTED,
	[CSD_LOG_PROGRAMS] = CSD_SUPPORTED,
	[CSD_LOG_RANGE_SETS_IN_USE] = CSD_SUPPORTED,
	[CSD_LOG_PROGRAM_REASON] = CSD_SUPPORTED,
	[CSD_LOG_PROGRAM_STATISTICS] = CSD_SUPPORTED,
	[CSD_LOG_PROGRAM_FAULT] = CSD_SUPPORTED,
};

/* As SPDK's Get Features knows them. */
const uint32_t csd_supported_features[256] = {
	[0x01] = CSD_SUPPORTED,		/* Arbitration */
	[0x02] = CSD_SUPPORTED,		/* Power Management */
	[0x04] = CSD_SUPPORTED,		/* Temperature Threshold */
	[0x05] = CSD_SUPPORTED,		/* Error Recovery */
	[0x06] = CSD_SUPPORTED,		/* Volatile Write Cache */
	[0x07] = CSD_SUPPORTED,		/* Number of Queues */
	[0x0a] = CSD_SUPPORTED,		/* Write Atomicity Normal */
	[0x0b] = CSD_SUPPORTED,		/* Asynchronous Event Configuration */
	[0x0f] = CSD_SUPPORTED,		/* Keep Alive Timer */
	[0x19] = CSD_SUPPORTED,		/* I/O Command Set Profile */
	[0x81] = CSD_SUPPORTED,		/* Host Identifier */
	[0x82] = CSD_SUPPORTED,		/* Reservation Notification Mask */
	[0x83] = CSD_SUPPORTED,		/* Reservation Persistence */
};
