/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_slm_check.h"

#include <stdio.h>
#include <stdlib.h>

#define SIZE (1024ull * 1024)

static unsigned g_checks;

static void
expect(const char *what, struct csd_status status, uint8_t type, uint8_t code)
{
	g_checks++;
	if (status.type != type || status.code != code) {
		fprintf(stderr, "%s: %x/%02x, expected %x/%02x\n", what, status.type, status.code, type, code);
		exit(1);
	}
}

static void
test_range(void)
{
	expect("whole", csd_slm_check_range(SIZE, 0, SIZE), 0, 0);
	expect("last dword", csd_slm_check_range(SIZE, SIZE - 4, 4), 0, 0);
	expect("one dword too many", csd_slm_check_range(SIZE, SIZE - 4, 8), 0, 0x02);
	expect("behind the end", csd_slm_check_range(SIZE, SIZE, 4), 0, 0x02);
	expect("wraps around", csd_slm_check_range(SIZE, UINT64_MAX - 3, 8), 0, 0x02);
	expect("start not of a dword", csd_slm_check_range(SIZE, 1, 4), 0, 0x02);
	expect("length not of dwords", csd_slm_check_range(SIZE, 0, 6), 0, 0x02);
	expect("nothing", csd_slm_check_range(SIZE, 0, 0), 0, 0);
	expect("nothing, at the end", csd_slm_check_range(SIZE, SIZE, 0), 0, 0);
	expect("nothing, behind the end", csd_slm_check_range(SIZE, SIZE + 4, 0), 0, 0x02);
	expect("nothing, not of a dword", csd_slm_check_range(SIZE, 2, 0), 0, 0x02);
}

static void
test_copy(void)
{
	const uint32_t dwords[16] = { [2] = 0x1000, [3] = 0x1, [10] = 0x20, [11] = 0x2, [12] = 0xfffff4ff };
	struct csd_slm_copy copy;

	csd_slm_copy_parse(dwords, &copy);
	if (copy.length != 0x100001000 || copy.destination != 0x200000020 || copy.ranges != 256 || copy.format != 4) {
		fprintf(stderr, "copy: read wrongly\n");
		exit(1);
	}
	copy = (struct csd_slm_copy) { .length = 4096, .destination = 4096, .ranges = 2, .format = 2 };
	expect("copy", csd_slm_check_copy(&copy, SIZE, 64), 0, 0);
	expect("list longer than the transfer", csd_slm_check_copy(&copy, SIZE, 63), 0, 0x0f);
	expect("list shorter than the transfer", csd_slm_check_copy(&copy, SIZE, 65), 0, 0x0f);
	copy.format = 3;
	expect("format 3", csd_slm_check_copy(&copy, SIZE, 64), 0, 0x02);
	copy.format = 4;
	copy.destination = SIZE - 4092;
	expect("destination", csd_slm_check_copy(&copy, SIZE, 64), 0, 0x02);
}

static void
test_blocks(void)
{
	struct nvme_slm_copy_blocks range = { .snsid = 1, .slba = 1000, .nlb = 23 };
	uint64_t bytes = 0;

	expect("last blocks", csd_slm_check_blocks(&range, 1024, 512, &bytes), 0, 0);
	if (bytes != 24 * 512) {
		fprintf(stderr, "blocks: %llu bytes\n", (unsigned long long)bytes);
		exit(1);
	}
	expect("one block too many", csd_slm_check_blocks(&range, 1023, 512, &bytes), 0, 0x80);
	range.slba = UINT64_MAX;
	expect("wraps around", csd_slm_check_blocks(&range, 1024, 512, &bytes), 0, 0x80);
	range = (struct nvme_slm_copy_blocks) { .slba = 0, .nlb = UINT16_MAX };
	expect("most blocks", csd_slm_check_blocks(&range, 65536, 4096, &bytes), 0, 0);
	if (bytes != 65536ull * 4096) {
		fprintf(stderr, "blocks: %llu bytes\n", (unsigned long long)bytes);
		exit(1);
	}
}

static void
test_memory(void)
{
	struct csd_slm_copy copy = { .length = 4096, .destination = 8192, .ranges = 1, .format = 4 };
	struct nvme_slm_copy_memory range = { .snsid = 2, .saddr = 4096, .nbyte = 4096 };

	expect("before it", csd_slm_check_memory(&range, SIZE, true, &copy), 0, 0);
	range.nbyte = 4100;
	expect("into it", csd_slm_check_memory(&range, SIZE, true, &copy), 1, 0x87);
	expect("into it, in another memory", csd_slm_check_memory(&range, SIZE, false, &copy), 0, 0);
	range.saddr = 12284;
	expect("its last dword", csd_slm_check_memory(&range, SIZE, true, &copy), 1, 0x87);
	range.saddr = 12288;
	expect("behind it", csd_slm_check_memory(&range, SIZE, true, &copy), 0, 0);
	range.saddr = SIZE;
	expect("outside", csd_slm_check_memory(&range, SIZE, true, &copy), 0, 0x02);
	range = (struct nvme_slm_copy_memory) { .snsid = 2, .saddr = 10240 };
	expect("nothing, from its middle", csd_slm_check_memory(&range, SIZE, true, &copy), 0, 0);
	range.saddr = 2;
	expect("not of a dword", csd_slm_check_memory(&range, SIZE, true, &copy), 0, 0x02);
}

int
main(void)
{
	test_range();
	test_copy();
	test_blocks();
	test_memory();
	printf("csd_slm_check: %u checks\n", g_checks);
	return 0;
}
