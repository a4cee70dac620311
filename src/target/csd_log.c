/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_log.h"

#define OFFSET_TYPE_INDEX (1u << 23)	/* CDW14 */

bool
csd_log_parse(const uint32_t cdw10_to_14[5], struct csd_log_part *part)
{
	uint64_t dwords = ((uint64_t)(cdw10_to_14[1] & 0xffff) << 16 | cdw10_to_14[0] >> 16) + 1;

	part->bytes = dwords * 4;
	part->offset = (uint64_t)cdw10_to_14[3] << 32 | cdw10_to_14[2];
	return part->offset % 4 == 0 && !(cdw10_to_14[4] & OFFSET_TYPE_INDEX);
}

bool
csd_log_available(const struct csd_log_part *part, uint64_t page_bytes, uint64_t *bytes)
{
	if (part->offset > page_bytes) {
		return false;
	}
	*bytes = page_bytes - part->offset < part->bytes ? page_bytes - part->offset : part->bytes;
	return true;
}
