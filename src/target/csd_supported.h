/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Logs 00h (Supported Log Pages) and 12h (Feature Identifiers Supported and Effects): what there is, ours and SPDK's.
 * Plain: knows nothing of SPDK.
 */
#ifndef CSD_SUPPORTED_H
#define CSD_SUPPORTED_H

#include <stdint.h>

#define CSD_SUPPORTED (1u << 0)

/* One entry for each log page, or for each feature; 0: it is not there. */
extern const uint32_t csd_supported_logs[256];
extern const uint32_t csd_supported_features[256];

#endif
