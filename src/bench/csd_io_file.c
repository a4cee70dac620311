/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Files and block devices, by O_DIRECT and libaio. libaio and not io_uring: at the transfer sizes in question both are
 * limited by the device, SPDK needs libaio anyway, and io_uring is switched off in many containers and hardened
 * kernels (seccomp, kernel.io_uring_disabled).
 */
#define _GNU_SOURCE
#include "csd_io.h"

#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define FILE_BLOCK_BYTES	4096	/* no file system asks more for direct I/O to its files */
#define HUGE_PAGE_BYTES		(2u << 20)

struct file_io {
	struct csd_io base;
	int fd;
	io_context_t aio;
	uint32_t depth;
	uint32_t free_count;
	struct iocb *iocbs;
	struct iocb **free_iocbs;
	struct io_event *events;
};

static void *
io_file_alloc(struct csd_io *io, size_t bytes)
{
	void *memory;

	(void)io;
	if (posix_memalign(&memory, HUGE_PAGE_BYTES, bytes) != 0) {
		return NULL;
	}
	madvise(memory, bytes, MADV_HUGEPAGE);	/* fewer TLB misses where it works, nothing lost where not */
	memset(memory, 0, bytes);
	return memory;
}

static void
io_file_free(struct csd_io *io, void *memory)
{
	(void)io;
	free(memory);
}

static int
io_file_submit(struct csd_io *io, bool write, void *buffer, uint64_t offset, uint32_t bytes, uint32_t tag)
{
	struct file_io *file = (struct file_io *)io;
	struct iocb *iocb;
	int rc;

	if (file->free_count == 0) {
		return -EAGAIN;
	}
	iocb = file->free_iocbs[file->free_count - 1];
	if (write) {
		io_prep_pwrite(iocb, file->fd, buffer, bytes, (long long)offset);
	} else {
		io_prep_pread(iocb, file->fd, buffer, bytes, (long long)offset);
	}
	iocb->data = (void *)(uintptr_t)tag;
	rc = io_submit(file->aio, 1, &iocb);
	if (rc != 1) {
		return rc < 0 ? rc : -EAGAIN;
	}
	file->free_count--;
	return 0;
}

static int
io_file_poll(struct csd_io *io, bool wait)
{
	struct file_io *file = (struct file_io *)io;
	struct timespec at_once = { 0, 0 };
	int count, i;

	count = io_getevents(file->aio, wait ? 1 : 0, file->depth, file->events, wait ? NULL : &at_once);
	if (count < 0) {
		return count == -EINTR ? 0 : count;
	}
	for (i = 0; i < count; i++) {
		struct iocb *iocb = file->events[i].obj;
		long result = (long)file->events[i].res;
		int status = 0;

		if (result < 0) {
			status = (int)result;
		} else if ((unsigned long)result != iocb->u.c.nbytes) {
			status = -ENODATA;	/* the device ended */
		}
		file->free_iocbs[file->free_count++] = iocb;
		io->done(io->done_ctx, (uint32_t)(uintptr_t)iocb->data, status);
	}
	return 0;
}

static int
io_file_grow(struct csd_io *io, uint64_t bytes, struct csd_error *err)
{
	struct file_io *file = (struct file_io *)io;
	int rc = posix_fallocate(file->fd, 0, (off_t)bytes);

	if (rc != 0) {
		csd_fail(err, CSD_UNAVAILABLE, "%lu bytes in %s", bytes, io->name);
		csd_found(err, "%s", strerror(rc));
		return csd_fix(err, "make room on its file system, or ask for fewer records");
	}
	io->bytes = bytes;
	return 0;
}

static void
io_file_close(struct csd_io *io)
{
	struct file_io *file = (struct file_io *)io;

	if (file->aio != NULL) {
		io_destroy(file->aio);
	}
	if (file->fd >= 0) {
		close(file->fd);
	}
	free(file->iocbs);
	free(file->free_iocbs);
	free(file->events);
	free(file);
}

static const struct csd_io_ops g_device_ops = {
	.alloc = io_file_alloc,
	.free = io_file_free,
	.submit = io_file_submit,
	.poll = io_file_poll,
	.close = io_file_close,
};

static const struct csd_io_ops g_regular_ops = {
	.alloc = io_file_alloc,
	.free = io_file_free,
	.submit = io_file_submit,
	.poll = io_file_poll,
	.grow = io_file_grow,
	.close = io_file_close,
};

static int
io_file_explain_open(const char *path, bool write, int error, struct csd_error *err)
{
	enum csd_exit code = error == EBUSY || error == EACCES || error == EPERM ? CSD_REFUSED : CSD_UNAVAILABLE;

	csd_fail(err, code, "%s %s", write ? "write" : "read", path);
	if (error == EBUSY) {
		csd_found(err, "the block device is in use: mounted, or part of another device");
		return csd_fix(err, "name a device that nothing else uses; findmnt and lsblk show who does");
	}
	if (error == EINVAL) {
		csd_found(err, "its file system has no direct I/O (O_DIRECT), as tmpfs on older kernels");
		return csd_fix(err, "use a file on ext4 or xfs, or a block device: cached reads would measure memory");
	}
	csd_found(err, "%s", strerror(error));
	if (error == ENOENT) {
		return csd_fix(err, "correct the path; a device's number changes: find it by /dev/disk/by-id");
	}
	return csd_fix(err, "run as a user who may, or name another path");
}

/* The namespace's UUID as the kernel tells it; false where the device has none. */
static bool
io_file_read_uuid(const struct stat *st, char *uuid, size_t size)
{
	char path[128];
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/uuid", major(st->st_rdev), minor(st->st_rdev));
	file = fopen(path, "r");
	if (file == NULL) {
		return false;
	}
	ok = fgets(uuid, (int)size, file) != NULL;
	fclose(file);
	if (ok) {
		uuid[strcspn(uuid, "\n")] = '\0';
	}
	return ok;
}

static int
io_file_check_uuid(const struct csd_place *place, const struct stat *st, struct csd_error *err)
{
	char uuid[64];

	if (!S_ISBLK(st->st_mode) || !io_file_read_uuid(st, uuid, sizeof(uuid))) {
		snprintf(uuid, sizeof(uuid), "none");
	}
	if (strcasecmp(uuid, place->uuid) == 0) {
		return 0;
	}
	csd_fail(err, CSD_REFUSED, "namespace %s at %s", place->uuid, place->path);
	csd_found(err, "its UUID is %s", uuid);
	return csd_fix(err, "name the device of that namespace: /dev/disk/by-id/nvme-uuid.%s", place->uuid);
}

/* Fills in size and block size. */
static int
io_file_measure(struct file_io *file, const struct csd_place *place, bool write, struct csd_error *err)
{
	struct stat st;

	if (fstat(file->fd, &st) != 0) {
		return io_file_explain_open(place->path, write, errno, err);
	}
	if (place->uuid != NULL && io_file_check_uuid(place, &st, err) != 0) {
		return -CSD_REFUSED;
	}
	if (S_ISBLK(st.st_mode)) {
		int block_bytes;

		if (ioctl(file->fd, BLKSSZGET, &block_bytes) != 0 ||
		    ioctl(file->fd, BLKGETSIZE64, &file->base.bytes) != 0) {
			return io_file_explain_open(place->path, write, errno, err);
		}
		file->base.block_bytes = (uint32_t)block_bytes;
		return 0;
	}
	file->base.block_bytes = FILE_BLOCK_BYTES;
	file->base.ops = &g_regular_ops;
	file->base.bytes = (uint64_t)st.st_size;
	return 0;
}

static int
io_file_prepare_aio(struct file_io *file, uint32_t depth, struct csd_error *err)
{
	uint32_t i;
	int rc;

	file->depth = depth;
	file->iocbs = calloc(depth, sizeof(*file->iocbs));
	file->free_iocbs = calloc(depth, sizeof(*file->free_iocbs));
	file->events = calloc(depth, sizeof(*file->events));
	rc = file->iocbs && file->free_iocbs && file->events ? io_setup((int)depth, &file->aio) : -ENOMEM;
	if (rc != 0) {
		file->aio = NULL;
		csd_fail(err, CSD_UNAVAILABLE, "%u transfers at a time", depth);
		csd_found(err, "io_setup: %s", strerror(-rc));
		return csd_fix(err, "raise fs.aio-max-nr, or ask for a smaller queue depth");
	}
	for (i = 0; i < depth; i++) {
		file->free_iocbs[file->free_count++] = &file->iocbs[i];
	}
	return 0;
}

/* A block device is opened for writing exclusively: that fails while it is mounted. */
static int
io_file_open_flags(const char *path, bool write, bool block)
{
	if (!write) {
		return O_RDONLY | O_DIRECT | O_CLOEXEC;
	}
	return O_RDWR | O_DIRECT | O_CLOEXEC | (block ? O_EXCL : strncmp(path, "/dev/", 5) != 0 ? O_CREAT : 0);
}

static int
io_file_refuse_kind(const char *path, bool write, struct csd_error *err)
{
	csd_fail(err, CSD_REFUSED, "%s %s", write ? "write" : "read", path);
	csd_found(err, "it is neither a regular file nor a block device");
	return csd_fix(err, "name a file or a block device (/dev/ngXnY is the pass-through node, use /dev/nvmeXnY)");
}

struct csd_io *
csd_io_open_file(const struct csd_place *place, bool write, uint32_t max_depth, struct csd_error *err)
{
	struct stat st = { 0 };
	bool there = stat(place->path, &st) == 0;
	struct file_io *file;

	if (there && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		io_file_refuse_kind(place->path, write, err);
		return NULL;
	}
	file = calloc(1, sizeof(*file));
	if (file == NULL) {
		io_file_explain_open(place->path, write, ENOMEM, err);
		return NULL;
	}
	file->base.ops = &g_device_ops;
	snprintf(file->base.name, sizeof(file->base.name), "%s", place->path);
	file->fd = open(place->path, io_file_open_flags(place->path, write, S_ISBLK(st.st_mode)), 0600);
	if (file->fd < 0) {
		io_file_explain_open(place->path, write, errno, err);
	} else if (io_file_measure(file, place, write, err) == 0 &&
		   io_file_prepare_aio(file, max_depth, err) == 0) {
		return &file->base;
	}
	io_file_close(&file->base);
	return NULL;
}
