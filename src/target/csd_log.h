/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The part of a log page that Get Log Page asks for. Plain: knows nothing of SPDK. */
#ifndef CSD_LOG_H
#define CSD_LOG_H

#include <stdbool.h>
#include <stdint.h>

struct csd_log_part {
	uint64_t offset;	/* first byte of the page */
	uint64_t bytes;		/* asked for */
};

/*
 * Reads CDW10-14. false: a field has a value that it must not have: an offset that is no multiple of 4, or an offset by
 * index (OT). part->bytes has to be what the command's buffer has.
 */
bool csd_log_parse(const uint32_t cdw10_to_14[5], struct csd_log_part *part);

/* How many of them a page of `page_bytes` has; the others are zeros. false: the offset lies beyond its end. */
bool csd_log_available(const struct csd_log_part *part, uint64_t page_bytes, uint64_t *bytes);

#endif
