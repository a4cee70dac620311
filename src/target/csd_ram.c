/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_ram.h"

#include "spdk/env.h"
#include "spdk/string.h"
#include "spdk/thread.h"
#include "spdk/util.h"

#include "csd_layout.h"
#include "csd_shared.h"

/* Zeroing more than this goes in slices, between which the reactor does other work: some 25 us. */
#define RAM_SLICE_BYTES	(256u << 10)

struct csd_ram {
	struct spdk_bdev bdev;
	struct csd_shared shared;
	char *name;
};

/* What of a Write Zeroes or Unmap is left. */
struct csd_ram_task {
	uint8_t *at;
	uint64_t left;
};

static int
csd_ram_context_size(void)
{
	return sizeof(struct csd_ram_task);
}

static int
csd_ram_channel_create(void *io_device, void *ctx)
{
	(void)io_device;
	(void)ctx;
	return 0;
}

static void
csd_ram_channel_destroy(void *io_device, void *ctx)
{
	(void)io_device;
	(void)ctx;
}

static struct spdk_bdev_module g_ram_module;

/* One io_device for all: a channel holds nothing. */
static int
csd_ram_init(void)
{
	spdk_io_device_register(&g_ram_module, csd_ram_channel_create, csd_ram_channel_destroy, 0, CSD_RAM_MODULE);
	return 0;
}

static void
csd_ram_fini(void)
{
	spdk_io_device_unregister(&g_ram_module, NULL);
}

static struct spdk_bdev_module g_ram_module = {
	.name = CSD_RAM_MODULE,
	.module_init = csd_ram_init,
	.module_fini = csd_ram_fini,
	.get_ctx_size = csd_ram_context_size,
};
SPDK_BDEV_MODULE_REGISTER(csd_ram, &g_ram_module)

/* The bdev layer has checked that the blocks are the bdev's. */
static uint8_t *
csd_ram_address(const struct spdk_bdev_io *bdev_io)
{
	const struct csd_ram *ram = bdev_io->bdev->ctxt;

	return ram->shared.memory->base + bdev_io->u.bdev.offset_blocks * bdev_io->bdev->blocklen;
}

static void
csd_ram_copy(struct spdk_bdev_io *bdev_io, bool write)
{
	uint64_t left = bdev_io->u.bdev.num_blocks * bdev_io->bdev->blocklen;
	uint8_t *memory = csd_ram_address(bdev_io);

	for (int i = 0; i < bdev_io->u.bdev.iovcnt && left > 0; i++) {
		const struct iovec *piece = &bdev_io->u.bdev.iovs[i];
		uint64_t bytes = spdk_min(left, piece->iov_len);

		memcpy(write ? memory : piece->iov_base, write ? piece->iov_base : memory, bytes);
		memory += bytes;
		left -= bytes;
	}
	spdk_bdev_io_complete(bdev_io, left == 0 ? SPDK_BDEV_IO_STATUS_SUCCESS : SPDK_BDEV_IO_STATUS_FAILED);
}

static void
csd_ram_read(struct spdk_io_channel *channel, struct spdk_bdev_io *bdev_io, bool success)
{
	(void)channel;
	if (success) {
		csd_ram_copy(bdev_io, false);
	} else {
		spdk_bdev_io_complete(bdev_io, SPDK_BDEV_IO_STATUS_NOMEM);
	}
}

static void
csd_ram_zero(void *ctx)
{
	struct spdk_bdev_io *bdev_io = ctx;
	struct csd_ram_task *task = (struct csd_ram_task *)bdev_io->driver_ctx;
	uint64_t bytes = spdk_min(task->left, RAM_SLICE_BYTES);

	memset(task->at, 0, bytes);
	task->at += bytes;
	task->left -= bytes;
	if (task->left == 0) {
		spdk_bdev_io_complete(bdev_io, SPDK_BDEV_IO_STATUS_SUCCESS);
	} else if (spdk_thread_send_msg(spdk_get_thread(), csd_ram_zero, bdev_io) != 0) {
		spdk_bdev_io_complete(bdev_io, SPDK_BDEV_IO_STATUS_FAILED);
	}
}

static void
csd_ram_submit(struct spdk_io_channel *channel, struct spdk_bdev_io *bdev_io)
{
	struct csd_ram_task *task = (struct csd_ram_task *)bdev_io->driver_ctx;
	uint64_t bytes = bdev_io->u.bdev.num_blocks * bdev_io->bdev->blocklen;

	(void)channel;
	switch (bdev_io->type) {
	case SPDK_BDEV_IO_TYPE_READ:
		spdk_bdev_io_get_buf(bdev_io, csd_ram_read, bytes);
		break;
	case SPDK_BDEV_IO_TYPE_WRITE:
		csd_ram_copy(bdev_io, true);
		break;
	case SPDK_BDEV_IO_TYPE_UNMAP:
	case SPDK_BDEV_IO_TYPE_WRITE_ZEROES:
		*task = (struct csd_ram_task) {.at = csd_ram_address(bdev_io), .left = bytes};
		csd_ram_zero(bdev_io);
		break;
	case SPDK_BDEV_IO_TYPE_ZCOPY:
		if (bdev_io->u.bdev.zcopy.start) {
			spdk_bdev_io_set_buf(bdev_io, csd_ram_address(bdev_io), bytes);
		}
		spdk_bdev_io_complete(bdev_io, SPDK_BDEV_IO_STATUS_SUCCESS);
		break;
	case SPDK_BDEV_IO_TYPE_FLUSH:
	case SPDK_BDEV_IO_TYPE_RESET:
		spdk_bdev_io_complete(bdev_io, SPDK_BDEV_IO_STATUS_SUCCESS);
		break;
	default:
		spdk_bdev_io_complete(bdev_io, SPDK_BDEV_IO_STATUS_FAILED);
		break;
	}
}

static bool
csd_ram_supports(void *ctx, enum spdk_bdev_io_type type)
{
	(void)ctx;
	switch (type) {
	case SPDK_BDEV_IO_TYPE_READ:
	case SPDK_BDEV_IO_TYPE_WRITE:
	case SPDK_BDEV_IO_TYPE_UNMAP:
	case SPDK_BDEV_IO_TYPE_WRITE_ZEROES:
	case SPDK_BDEV_IO_TYPE_ZCOPY:
	case SPDK_BDEV_IO_TYPE_FLUSH:
	case SPDK_BDEV_IO_TYPE_RESET:
		return true;
	default:
		return false;
	}
}

static struct spdk_io_channel *
csd_ram_channel(void *ctx)
{
	(void)ctx;
	return spdk_get_io_channel(&g_ram_module);
}

static void
csd_ram_free(struct csd_ram *ram)
{
	csd_shared_destroy(&ram->shared);
	free(ram->name);
	free(ram);
}

static int
csd_ram_destruct(void *ctx)
{
	csd_ram_free(ctx);
	return 0;
}

static int
csd_ram_write_info(void *ctx, struct spdk_json_write_ctx *w)
{
	const struct csd_ram *ram = ctx;

	spdk_json_write_named_object_begin(w, CSD_RAM_MODULE);
	spdk_json_write_named_bool(w, "huge_pages", ram->shared.memory->huge);
	spdk_json_write_object_end(w);
	return 0;
}

static void
csd_ram_write_config(struct spdk_bdev *bdev, struct spdk_json_write_ctx *w)
{
	char uuid[SPDK_UUID_STRING_LEN];

	spdk_uuid_fmt_lower(uuid, sizeof(uuid), &bdev->uuid);
	spdk_json_write_object_begin(w);
	spdk_json_write_named_string(w, "method", "bdev_csd_ram_create");
	spdk_json_write_named_object_begin(w, "params");
	spdk_json_write_named_string(w, "name", bdev->name);
	spdk_json_write_named_uint64(w, "num_blocks", bdev->blockcnt);
	spdk_json_write_named_uint32(w, "block_size", bdev->blocklen);
	spdk_json_write_named_string(w, "uuid", uuid);
	spdk_json_write_object_end(w);
	spdk_json_write_object_end(w);
}

static const struct spdk_bdev_fn_table g_ram_functions = {
	.destruct = csd_ram_destruct,
	.submit_request = csd_ram_submit,
	.io_type_supported = csd_ram_supports,
	.get_io_channel = csd_ram_channel,
	.dump_info_json = csd_ram_write_info,
	.write_config_json = csd_ram_write_config,
};

struct csd_memory *
csd_ram_shared(const struct spdk_bdev *bdev)
{
	return bdev->module == &g_ram_module ? ((const struct csd_ram *)bdev->ctxt)->shared.memory : NULL;
}

int
csd_ram_create(const char *name, uint64_t blocks, uint32_t block_bytes, const struct spdk_uuid *uuid)
{
	struct csd_ram *ram;
	int rc;

	if (name[0] == '\0' || blocks == 0 || (block_bytes != 512 && block_bytes != 4096) ||
	    blocks > CSD_LAYOUT_MAX_MEMORY / block_bytes) {
		return -EINVAL;
	}
	ram = calloc(1, sizeof(*ram));
	if (ram == NULL) {
		return -ENOMEM;
	}
	ram->name = strdup(name);
	rc = ram->name == NULL ? -ENOMEM : csd_shared_create(CSD_RAM_MODULE, blocks * block_bytes, &ram->shared);
	if (rc == 0) {
		ram->bdev.name = ram->name;
		ram->bdev.product_name = "CSD RAM disk";
		ram->bdev.blocklen = block_bytes;
		ram->bdev.blockcnt = blocks;
		ram->bdev.write_cache = 0;
		ram->bdev.ctxt = ram;
		ram->bdev.fn_table = &g_ram_functions;
		ram->bdev.module = &g_ram_module;
		if (uuid != NULL) {
			spdk_uuid_copy(&ram->bdev.uuid, uuid);
		} else {
			spdk_uuid_generate(&ram->bdev.uuid);
		}
		rc = spdk_bdev_register(&ram->bdev);
	}
	if (rc != 0) {
		csd_ram_free(ram);
	}
	return rc;
}
