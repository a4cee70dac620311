/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What is written to outputs of every division into pieces comes out whole, in order, and never beyond the end. */
#include "csd_output.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "expect.h"

#define BYTES	61
#define MAX_PIECES	5

/* What a run does: one batch of items after the other, each of at most `most`. */
static void
fill(struct csd_output *output, uint32_t item_bytes, uint32_t most)
{
	uint8_t batch[BYTES], next = 0;
	uint64_t bytes, items;

	while ((items = (output->size - output->used) / item_bytes) > 0) {
		items = items < most ? items : most;
		for (bytes = 0; bytes < items * item_bytes; bytes++) {
			batch[bytes] = next++;
		}
		csd_output_write(output, output->used, batch, bytes);
		output->used += bytes;
	}
}

static void
check(const size_t lengths[MAX_PIECES], int pieces, uint64_t header, uint32_t item_bytes, uint32_t most)
{
	struct iovec iov[MAX_PIECES];
	struct csd_output output = { .iov = iov, .iovcnt = pieces, .size = BYTES, .used = header };
	uint8_t whole[BYTES], head[BYTES];
	uint64_t i, at = 0, items = (BYTES - header) / item_bytes;
	int piece;

	/* Exact allocations, so that the sanitizer sees any byte too far. */
	for (piece = 0; piece < pieces; piece++) {
		iov[piece].iov_base = calloc(1, lengths[piece] + 1);
		iov[piece].iov_base = realloc(iov[piece].iov_base, lengths[piece] > 0 ? lengths[piece] : 1);
		iov[piece].iov_len = lengths[piece];
	}
	fill(&output, item_bytes, most);
	memset(head, 0xaa, sizeof(head));
	csd_output_write(&output, 0, head, header);
	/* holds("target-13"): behind the end it writes nothing, and comes back. */
	csd_output_write(&output, BYTES, head, sizeof(head));
	for (piece = 0; piece < pieces; piece++) {
		memcpy(whole + at, iov[piece].iov_base, lengths[piece]);
		at += lengths[piece];
		free(iov[piece].iov_base);
	}
	expect("used", output.used == header + items * item_bytes);
	for (i = 0; i < header; i++) {
		expect("header", whole[i] == 0xaa);
	}
	for (i = 0; i < items * item_bytes; i++) {
		expect("items", whole[header + i] == (uint8_t)i);
	}
}

static void
check_divisions(uint64_t header, uint32_t item_bytes, uint32_t most)
{
	size_t first, second;

	for (first = 0; first <= BYTES; first++) {
		for (second = 0; second <= BYTES - first; second += 3) {
			check((size_t[]) { first, second, BYTES - first - second, 0, 0 }, 3, header, item_bytes, most);
		}
	}
	check((size_t[]) { BYTES, 0, 0, 0, 0 }, 1, header, item_bytes, most);
	check((size_t[]) { 1, 2, 3, 4, BYTES - 10 }, 5, header, item_bytes, most);
}

int
main(void)
{
	const uint32_t sizes[] = { 1, 2, 7, 8, 16, 30, 61 };
	const uint64_t headers[] = { 0, 1, 8, 40 };
	size_t size, header;

	alarm(120);	/* ends what does not come back */
	for (size = 0; size < sizeof(sizes) / sizeof(sizes[0]); size++) {
		for (header = 0; header < sizeof(headers) / sizeof(headers[0]); header++) {
			check_divisions(headers[header], sizes[size], 1);
			check_divisions(headers[header], sizes[size], UINT32_MAX);
		}
	}
	printf("csd_output: %u checks\n", g_checks);
	return 0;
}
