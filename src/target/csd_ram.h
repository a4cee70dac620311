/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The bdev csd_ram: blocks in memory, as malloc's, but memory that programs in workers see where it lies (csd_shared.h): a scan of
 * it copies nothing.
 */
#ifndef CSD_RAM_H
#define CSD_RAM_H

#include "spdk/bdev_module.h"

#include "csd_memory.h"

#define CSD_RAM_MODULE	"csd_ram"

/*
 * Zeros. uuid NULL: a new one. 0; -EINVAL: no block, blocks of another size than 512 or 4096, more than 32 GiB, a bad name;
 * -EEXIST; -ENOMEM.
 */
int csd_ram_create(const char *name, uint64_t blocks, uint32_t block_bytes, const struct spdk_uuid *uuid);

/* Its memory; NULL: the bdev is another one. */
struct csd_memory *csd_ram_shared(const struct spdk_bdev *bdev);

#endif
