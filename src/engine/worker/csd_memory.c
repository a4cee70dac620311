/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE	/* memfd_create(), fallocate() */
#include "csd_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE	0x0010
#endif

#define MEMORY_PAGE	4096ULL
#define MEMORY_HUGE	(2ULL << 20)

static uint64_t
memory_round(uint64_t length, uint64_t page)
{
	return (length + page - 1) / page * page;
}

static int
memory_map(struct csd_memory *memory, int protection)
{
	void *base = mmap(NULL, memory->length, protection, MAP_SHARED, memory->fd, 0);

	if (base == MAP_FAILED) {
		return -errno;
	}
	memory->base = base;
	return 0;
}

static void
memory_free(struct csd_memory *memory)
{
	if (memory->base != NULL) {
		munmap(memory->base, memory->length);
	}
	if (memory->fd >= 0) {
		close(memory->fd);
	}
	free(memory);
}

/* NULL: *rc says why. */
static struct csd_memory *
memory_open(const char *name, uint64_t length, unsigned int kind, int *rc)
{
	struct csd_memory *memory = calloc(1, sizeof(*memory));

	*rc = -ENOMEM;
	if (memory == NULL) {
		return NULL;
	}
	memory->huge = (kind & MFD_HUGETLB) != 0;
	memory->length = memory_round(length, memory->huge ? MEMORY_HUGE : MEMORY_PAGE);
	memory->users = 1;
	memory->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | kind);
	if (memory->fd < 0 || ftruncate(memory->fd, (off_t)memory->length) != 0) {
		*rc = -errno;
		memory_free(memory);
		return NULL;
	}
	*rc = 0;
	return memory;
}

static int
memory_create(const char *name, uint64_t length, unsigned int kind, int seals, struct csd_memory **made)
{
	int rc;
	struct csd_memory *memory = memory_open(name, length, kind, &rc);

	if (memory == NULL) {
		return rc;
	}
	/* Before the seal: this map stays writable. */
	rc = memory_map(memory, PROT_READ | PROT_WRITE);
	if (rc == 0 && fallocate(memory->fd, 0, 0, (off_t)memory->length) != 0) {
		rc = -errno;
	}
	if (rc == 0 && fcntl(memory->fd, F_ADD_SEALS, seals | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		rc = -errno;
	}
	if (rc != 0) {
		memory_free(memory);
		return rc == -ENOSPC ? -ENOMEM : rc;
	}
	*made = memory;
	return 0;
}

int
csd_memory_create(const char *name, uint64_t length, unsigned int flags, struct csd_memory **memory)
{
	int seals = (flags & CSD_MEMORY_READ_ONLY) != 0 ? F_SEAL_FUTURE_WRITE : 0;

	if (length == 0 || length > INT64_MAX - MEMORY_HUGE) {
		return -EINVAL;
	}
	if ((flags & CSD_MEMORY_HUGE) != 0 && memory_create(name, length, MFD_HUGETLB, seals, memory) == 0) {
		return 0;
	}
	return memory_create(name, length, 0, seals, memory);
}

int
csd_memory_create_from(const char *name, const void *bytes, size_t length, struct csd_memory **made)
{
	struct csd_memory *memory;
	size_t written = 0;
	int rc;

	if (length == 0 || length > INT64_MAX - MEMORY_HUGE) {
		return -EINVAL;
	}
	memory = memory_open(name, length, 0, &rc);
	if (memory == NULL) {
		return rc;
	}
	while (rc == 0 && written < length) {
		ssize_t count = pwrite(memory->fd, (const uint8_t *)bytes + written, length - written, (off_t)written);

		rc = count < 0 && errno != EINTR ? -errno : 0;
		written += count > 0 ? (size_t)count : 0;
	}
	if (rc == 0 && fcntl(memory->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		rc = -errno;
	}
	if (rc == 0) {
		rc = memory_map(memory, PROT_READ);
	}
	if (rc != 0) {
		memory_free(memory);
		return rc == -ENOSPC ? -ENOMEM : rc;
	}
	*made = memory;
	return 0;
}

struct csd_memory *
csd_memory_get(struct csd_memory *memory)
{
	__atomic_add_fetch(&memory->users, 1, __ATOMIC_RELAXED);
	return memory;
}

void
csd_memory_put(struct csd_memory *memory)
{
	if (memory != NULL && __atomic_sub_fetch(&memory->users, 1, __ATOMIC_ACQ_REL) == 0) {
		memory_free(memory);
	}
}
