/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_slm_check.h"

#define GENERIC		0x0
#define SPECIFIC	0x1
#define INVALID_FIELD	((struct csd_status){ GENERIC, 0x02 })
#define SGL_LENGTH	((struct csd_status){ GENERIC, 0x0f })
#define OUT_OF_RANGE	((struct csd_status){ GENERIC, 0x80 })
#define SUCCESS		((struct csd_status){ GENERIC, 0x00 })

struct csd_status
csd_slm_check_range(uint64_t size, uint64_t start, uint64_t length)
{
	if (start % CSD_SLM_GRANULARITY != 0 || length % CSD_SLM_GRANULARITY != 0) {
		return INVALID_FIELD;
	}
	if (start > size || length > size - start) {
		return INVALID_FIELD;	/* LBA Out of Range is for LBAs */
	}
	return SUCCESS;
}

void
csd_slm_copy_parse(const uint32_t dwords[16], struct csd_slm_copy *copy)
{
	copy->length = (uint64_t)dwords[3] << 32 | dwords[2];
	copy->destination = (uint64_t)dwords[11] << 32 | dwords[10];
	copy->ranges = (dwords[12] & 0xff) + 1;
	copy->format = dwords[12] >> 8 & 0xf;
}

struct csd_status
csd_slm_check_copy(const struct csd_slm_copy *copy, uint64_t size, uint64_t transfer)
{
	if (copy->format != NVME_SLM_COPY_FROM_BLOCKS && copy->format != NVME_SLM_COPY_FROM_MEMORY) {
		return INVALID_FIELD;
	}
	if (transfer != copy->ranges * sizeof(struct nvme_slm_copy_memory)) {
		return SGL_LENGTH;
	}
	return csd_slm_check_range(size, copy->destination, copy->length);
}

struct csd_status
csd_slm_check_blocks(const struct nvme_slm_copy_blocks *range, uint64_t blocks, uint32_t block_bytes,
		     uint64_t *bytes)
{
	uint32_t count = range->nlb + 1u;

	if (range->slba > blocks || count > blocks - range->slba) {
		return OUT_OF_RANGE;
	}
	*bytes = (uint64_t)count * block_bytes;
	return SUCCESS;
}

struct csd_status
csd_slm_check_memory(const struct nvme_slm_copy_memory *range, uint64_t size, bool same,
		     const struct csd_slm_copy *copy)
{
	struct csd_status status = csd_slm_check_range(size, range->saddr, range->nbyte);

	if (status.type == 0 && status.code == 0 && same && range->nbyte > 0 &&
	    range->saddr < copy->destination + copy->length && copy->destination < range->saddr + range->nbyte) {
		return (struct csd_status){ SPECIFIC, NVME_SC_OVERLAPPING_IO_RANGE };
	}
	return status;
}
