/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Logs 1Ah and 1Bh byte for byte, and the count of their changes. */
#include "csd_changes.h"
#include "csd_reachability.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned g_checks;

static void
expect(const char *what, const void *page, size_t length, const uint32_t *dwords, size_t count)
{
	size_t i;

	g_checks++;
	if (page == NULL || length != count * 4) {
		fprintf(stderr, "%s: %zu bytes, expected %zu\n", what, length, count * 4);
		exit(1);
	}
	for (i = 0; i < count; i++) {
		uint32_t dword;

		memcpy(&dword, (const uint8_t *)page + i * 4, 4);
		if (dword != dwords[i]) {
			fprintf(stderr, "%s: dword %zu is %x, expected %x\n", what, i, dword, dwords[i]);
			exit(1);
		}
	}
}

#define EXPECT(what, page, length, ...) \
	do { \
		const uint32_t dwords_[] = { __VA_ARGS__ }; \
		void *page_ = (page); \
		expect(what, page_, length, dwords_, sizeof(dwords_) / 4); \
		free(page_); \
	} while (0)

static void
test_a_drive(void)
{
	static const struct csd_reachable all[] = {
		{ 1, NVME_CSI_NVM }, { 2, NVME_CSI_SLM }, { 3, NVME_CSI_COMPUTE }, { 5, NVME_CSI_NVM }
	};
	size_t length;

	EXPECT("groups", csd_reachability_groups(all, 4, false, &length), length,
	       0, 0, 2, 0,
	       1, 3, 0, 0, 0, 0, 0, 0, 1, 2, 5,
	       2, 1, 0, 0, 0, 0, 0, 0, 3);
	EXPECT("groups only", csd_reachability_groups(all, 4, true, &length), length,
	       0, 0, 2, 0,
	       1, 0, 0, 0, 0, 0, 0, 0,
	       2, 0, 0, 0, 0, 0, 0, 0);
	EXPECT("associations", csd_reachability_associations(all, 4, false, &length), length,
	       0, 0, 2, 0,
	       1, 1, 0, 0, 2, 0, 0, 0, 1,
	       2, 2, 0, 0, 1, 0, 0, 0, 1, 2);
	EXPECT("associations only", csd_reachability_associations(all, 4, true, &length), length,
	       0, 0, 2, 0,
	       1, 0, 0, 0, 2, 0, 0, 0,
	       2, 0, 0, 0, 1, 0, 0, 0);
}

/* Groups without a namespace are not there, nor is what they would be associated with. */
static void
test_parts_of_a_drive(void)
{
	static const struct csd_reachable blocks[] = { { 1, NVME_CSI_NVM } };
	static const struct csd_reachable memory[] = { { 1, NVME_CSI_NVM }, { 7, NVME_CSI_SLM } };
	static const struct csd_reachable programs[] = { { 1, NVME_CSI_NVM }, { 9, NVME_CSI_COMPUTE } };
	size_t length;

	EXPECT("nothing", csd_reachability_groups(NULL, 0, false, &length), length, 0, 0, 0, 0);
	EXPECT("nothing to reach", csd_reachability_associations(NULL, 0, false, &length), length, 0, 0, 0, 0);
	EXPECT("blocks", csd_reachability_groups(blocks, 1, false, &length), length,
	       0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1);
	EXPECT("blocks reach nothing", csd_reachability_associations(blocks, 1, false, &length), length, 0, 0, 0, 0);
	EXPECT("memory is reached", csd_reachability_associations(memory, 2, false, &length), length,
	       0, 0, 1, 0,
	       1, 1, 0, 0, 2, 0, 0, 0, 1);
	EXPECT("programs reach blocks", csd_reachability_associations(programs, 2, false, &length), length,
	       0, 0, 1, 0,
	       2, 2, 0, 0, 1, 0, 0, 0, 1, 2);
}

static void
expect_changes(const char *subnqn, uint8_t lid, const char *page, uint64_t changes)
{
	uint64_t found = csd_changes_count(subnqn, lid, page, strlen(page));

	g_checks++;
	if (found != changes) {
		fprintf(stderr, "%s, log %02x, '%s': %lu changes, expected %lu\n", subnqn, lid, page,
			(unsigned long)found, (unsigned long)changes);
		exit(1);
	}
}

static void
test_changes(void)
{
	expect_changes("one", 0x1a, "a", 0);
	expect_changes("one", 0x1a, "a", 0);
	expect_changes("one", 0x1a, "b", 1);
	expect_changes("one", 0x1a, "ba", 2);
	expect_changes("one", 0x1b, "b", 0);
	expect_changes("other", 0x1a, "b", 0);
	expect_changes("one", 0x1a, "ba", 2);
	expect_changes("one", 0x1a, "a", 3);
}

int
main(void)
{
	test_a_drive();
	test_parts_of_a_drive();
	test_changes();
	printf("csd_reachability: %u checks\n", g_checks);
	return 0;
}
