/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_statistics.h"

#define LOAD(counter) __atomic_load_n(&(counter), __ATOMIC_RELAXED)

void
csd_statistics_reset(struct csd_statistics *statistics)
{
	*statistics = (struct csd_statistics) { .refused = statistics->refused };
}

void
csd_statistics_read(const struct csd_statistics *statistics, struct csd_statistics_entry *entry)
{
	entry->runs = LOAD(statistics->runs);
	entry->records = LOAD(statistics->records);
	entry->matches = LOAD(statistics->matches);
	entry->scanned_bytes = LOAD(statistics->scanned_bytes);
	entry->returned_bytes = LOAD(statistics->returned_bytes);
	entry->nanoseconds = LOAD(statistics->nanoseconds);
	entry->aborted = LOAD(statistics->aborted);
	entry->failed = LOAD(statistics->failed);
	entry->refused = LOAD(statistics->refused);
	entry->cpu_nanoseconds = LOAD(statistics->cpu_nanoseconds);
}
