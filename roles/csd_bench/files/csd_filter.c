/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_filter.h"

size_t
csd_filter(const struct csd_record *records, size_t count, int32_t threshold, struct csd_record *out)
{
	size_t matches = 0, i;

	for (i = 0; i < count; i++) {
		if (records[i].temperature >= threshold) {
			out[matches++] = records[i];
		}
	}
	return matches;
}
