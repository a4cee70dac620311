/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Counters of one slot. Runs on several threads add to them once at their end, so they are plain atomics. */
#ifndef CSD_STATISTICS_H
#define CSD_STATISTICS_H

#include "nvme_csd.h"

struct csd_statistics {
	uint64_t runs;
	uint64_t records;
	uint64_t matches;
	uint64_t scanned_bytes;
	uint64_t returned_bytes;
	uint64_t nanoseconds;
	uint64_t aborted;
	uint64_t failed;
	uint64_t refused;
	uint64_t cpu_nanoseconds;
};

static inline void
csd_count(uint64_t *counter, uint64_t more)
{
	__atomic_fetch_add(counter, more, __ATOMIC_RELAXED);
}

/* A new program begins at zero; refused loads stay counted. */
void csd_statistics_reset(struct csd_statistics *statistics);

void csd_statistics_read(const struct csd_statistics *statistics, struct csd_statistics_entry *entry);

#endif
