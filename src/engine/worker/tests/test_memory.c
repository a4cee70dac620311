/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What a seal promises to a memory's maker, tried with the descriptor that others get. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "csd_memory.h"
#include "lab.h"
#include "test.h"

#define BYTES	10000

static void *
memory_map(const struct csd_memory *memory, int protection)
{
	return mmap(NULL, memory->length, protection, MAP_SHARED, memory->fd, 0);
}

/* Its length stays: pages that went away under the target would end it by SIGBUS. */
static void
memory_keeps_its_length(const struct csd_memory *memory)
{
	CHECK(ftruncate(memory->fd, 0) != 0 && errno == EPERM, "shrunk: %s", strerror(errno));
	CHECK(ftruncate(memory->fd, (off_t)memory->length * 2) != 0 && errno == EPERM, "grown: %s", strerror(errno));
	CHECK(fallocate(memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0 || errno == EPERM, "%s", strerror(errno));
	CHECK(fcntl(memory->fd, F_ADD_SEALS, F_SEAL_WRITE) != 0 && errno == EPERM, "sealed again: %s", strerror(errno));
}

static void
memory_writable(void)
{
	struct csd_memory *memory;
	uint8_t *other;

	CHECK_EQUAL(csd_memory_create("test", BYTES, 0, &memory), 0);
	CHECK_EQUAL(memory->length, 12288);
	for (size_t i = 0; i < memory->length; i++) {
		CHECK_EQUAL(memory->base[i], 0);
	}
	other = memory_map(memory, PROT_READ | PROT_WRITE);
	CHECK(other != MAP_FAILED, "%s", strerror(errno));
	other[BYTES] = 7;
	CHECK_EQUAL(memory->base[BYTES], 7);
	munmap(other, memory->length);
	memory_keeps_its_length(memory);
	csd_memory_put(csd_memory_get(memory));
	CHECK_EQUAL(memory->base[BYTES], 7);
	csd_memory_put(memory);
	csd_memory_put(NULL);
}

static void
memory_read_only(unsigned int flags)
{
	struct csd_memory *memory;
	uint8_t *other;

	CHECK_EQUAL(csd_memory_create("test", BYTES, flags | CSD_MEMORY_READ_ONLY, &memory), 0);
	CHECK_EQUAL(memory->length, memory->huge ? 2 << 20 : 12288);
	if ((flags & CSD_MEMORY_HUGE) != 0) {
		printf("  huge pages: %s\n", memory->huge ? "yes" : "none free here, tried with others");
	}
	memory->base[5] = 9;
	CHECK(memory_map(memory, PROT_READ | PROT_WRITE) == MAP_FAILED && errno == EPERM, "mapped to be written: %s", strerror(errno));
	other = memory_map(memory, PROT_READ);
	CHECK(other != MAP_FAILED && other[5] == 9, "%s", strerror(errno));
	CHECK(mprotect(other, memory->length, PROT_READ | PROT_WRITE) != 0 && errno == EACCES, "made writable: %s", strerror(errno));
	CHECK(pwrite(memory->fd, "x", 1, 0) < 0, "written");
	/* Its maker writes on. */
	memory->base[5] = 10;
	CHECK_EQUAL(other[5], 10);
	munmap(other, memory->length);
	memory_keeps_its_length(memory);
	csd_memory_put(memory);
}

static void
memory_of_bytes(void)
{
	struct csd_memory *memory;
	uint8_t bytes[5000];

	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)(i * 7);
	}
	CHECK_EQUAL(csd_memory_create_from("test", bytes, sizeof(bytes), &memory), 0);
	CHECK(memcmp(memory->base, bytes, sizeof(bytes)) == 0 && memory->base[5000] == 0, "other bytes");
	CHECK(memory_map(memory, PROT_READ | PROT_WRITE) == MAP_FAILED && errno == EPERM, "mapped to be written: %s", strerror(errno));
	CHECK(mprotect(memory->base, memory->length, PROT_READ | PROT_WRITE) != 0 && errno == EACCES, "writable for its maker");
	CHECK(pwrite(memory->fd, "x", 1, 0) < 0 && errno == EPERM, "written: %s", strerror(errno));
	memory_keeps_its_length(memory);
	csd_memory_put(memory);
}

static void
memory_refused(void)
{
	uint32_t descriptors = lab_descriptors();
	struct csd_memory *memory = NULL;

	CHECK_EQUAL(csd_memory_create("test", 0, 0, &memory), -EINVAL);
	CHECK_EQUAL(csd_memory_create("test", UINT64_MAX, 0, &memory), -EINVAL);
	CHECK_EQUAL(csd_memory_create("test", INT64_MAX, CSD_MEMORY_HUGE, &memory), -EINVAL);
	CHECK_EQUAL(csd_memory_create_from("test", "", 0, &memory), -EINVAL);
	CHECK_EQUAL(csd_memory_create("test", 1ULL << 47, 0, &memory), -ENOMEM);	/* all addresses that a process has */
	CHECK(memory == NULL, "left behind");
	CHECK_EQUAL(lab_descriptors(), descriptors);
}

int
main(void)
{
	uint32_t descriptors = lab_descriptors();

	memory_writable();
	memory_read_only(0);
	memory_read_only(CSD_MEMORY_HUGE);
	memory_of_bytes();
	memory_refused();
	CHECK_EQUAL(lab_descriptors(), descriptors);
	printf("test_memory: passed\n");
	return 0;
}
