/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_log.h"

#include <stdio.h>
#include <stdlib.h>

#include "expect.h"

int
main(void)
{
	struct csd_log_part part;
	uint64_t bytes;
	/* NUMDL 0x0001, NUMDU 0x0002, offset 0x3_0000_0010 */
	const uint32_t both[5] = { 0x00010082, 0xffff0002, 0x10, 0x3, 0 };
	const uint32_t page[5] = { 0x03ff0082, 0, 0, 0, 0 };
	const uint32_t odd[5] = { 0x03ff0082, 0, 2, 0, 0 };
	const uint32_t by_index[5] = { 0x03ff0082, 0, 0, 0, 1u << 23 };
	const uint32_t most[5] = { 0xffff0082, 0xffff, 0, 0, 0 };

	expect("both halves", csd_log_parse(both, &part) && part.bytes == 0x20002 * 4 &&
	       part.offset == 0x300000010);
	expect("a page", csd_log_parse(page, &part) && part.bytes == 4096);
	expect("offset not of a dword", !csd_log_parse(odd, &part));
	expect("offset by index", !csd_log_parse(by_index, &part));
	expect("the most", csd_log_parse(most, &part) && part.bytes == 1ull << 34);

	part = (struct csd_log_part) { .offset = 16, .bytes = 64 };
	expect("in the middle", csd_log_available(&part, 4096, &bytes) && bytes == 64);
	expect("over the end", csd_log_available(&part, 20, &bytes) && bytes == 4);
	expect("at the end", csd_log_available(&part, 16, &bytes) && bytes == 0);
	expect("behind the end", !csd_log_available(&part, 12, &bytes));
	part.offset = UINT64_MAX - 3;
	expect("far behind the end", !csd_log_available(&part, 4096, &bytes));
	printf("csd_log: %u checks\n", g_checks);
	return 0;
}
