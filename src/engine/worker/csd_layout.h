/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Where a worker has what: the same in each, and so far apart that whoever runs over an end meets nothing. Code and data
 * of the program lie where its blob was linked for (csd_blob.h).
 */
#ifndef CSD_LAYOUT_H
#define CSD_LAYOUT_H

#include "csd_blob.h"

#define CSD_LAYOUT_RING		0x800000000ULL
#define CSD_LAYOUT_MEMORIES	16
#define CSD_LAYOUT_MEMORY(i)	(0x20000000000ULL + (uint64_t)(i) * 0x1000000000ULL)
#define CSD_LAYOUT_MAX_MEMORY	0x800000000ULL		/* 32 GiB */

#endif
