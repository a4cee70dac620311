/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The fields of SLM commands, checked. Plain: knows nothing of SPDK. */
#ifndef CSD_SLM_CHECK_H
#define CSD_SLM_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "nvme_csd.h"

#define CSD_SLM_GRANULARITY	4	/* bytes: starts and lengths of all SLM commands */
#define CSD_SLM_MAX_COPY_RANGES	256

/* As a completion has it: status code type, status code. Zeros: success. */
struct csd_status {
	uint8_t type;
	uint8_t code;
};

/* [start, start + length) of a memory of `size` bytes, for Read, Write, Fill and either side of Copy; may be nothing. */
struct csd_status csd_slm_check_range(uint64_t size, uint64_t start, uint64_t length);

/* Copy's DW2-3 and DW10-12 */
struct csd_slm_copy {
	uint64_t length;	/* of all ranges together */
	uint64_t destination;
	uint32_t ranges;
	uint8_t format;
};

void csd_slm_copy_parse(const uint32_t dwords[16], struct csd_slm_copy *copy);
/* What can be said before the ranges are looked at. `transfer` is the length of the command's data. */
struct csd_status csd_slm_check_copy(const struct csd_slm_copy *copy, uint64_t size, uint64_t transfer);

/* Blocks of a namespace of `blocks` blocks of block_bytes; *bytes is how much that is. */
struct csd_status csd_slm_check_blocks(const struct nvme_slm_copy_blocks *range, uint64_t blocks,
				       uint32_t block_bytes, uint64_t *bytes);
/* Bytes of a memory of `size` bytes; `same`: it is the destination's own memory, at the place copied to. */
struct csd_status csd_slm_check_memory(const struct nvme_slm_copy_memory *range, uint64_t size, bool same,
				       const struct csd_slm_copy *copy);

#endif
