/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Everything an object may bring along: .data, .bss, .rodata, literals, atomics, functions that call functions, copies. */
#include "csd_bpf.h"

struct entry {
	__u64 number;
	char text[56];
};

struct sums {
	__u64 of[8];
};

CSD_RECORD_STATE(struct entry, sizeof(struct entry), CSD_EMIT_RECORD, struct sums);

__u64 turn = 7;
__u32 steps[6] = {1, 2, 4, 8, 16, 32};
static __u64 seen[4];
static struct entry last;
static const __u16 table[3][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}};

static __attribute__((noinline)) __u64
mix(__u64 a, __u64 b)
{
	return (a ^ b) * 0x9e3779b97f4a7c15ull;
}

/* The fifth argument, and an array of its own in the frame. */
static __attribute__((noinline)) __u64
fold(const char *text, __u32 length, __u64 seed, __u64 *sum, __u32 step)
{
	__u8 counts[32] = {0};
	__u64 result = seed;

	for (__u32 i = 0; i < length; i += step) {
		counts[text[i] & 31]++;
		result = mix(result, text[i]);
	}
	for (__u32 i = 0; i < 32; i++)
		*sum += counts[i] * i;
	return mix(result, *sum);
}

CSD_PROGRAM
int all_kinds(const struct entry *entry)
{
	const char *word = entry->number & 1 ? "odd" : "even";
	__u64 sum = 0;

	__sync_fetch_and_add(&seen[entry->number % 4], entry->number);
	turn = mix(turn, fold(entry->text, sizeof(entry->text), turn, &sum, steps[entry->number % 6]));
	csd_state.of[0] = turn;
	csd_state.of[1] += sum;
	csd_state.of[2] += table[entry->number % 3][entry->number / 3 % 4];
	csd_state.of[3] = seen[entry->number % 4];
	csd_state.of[4] += word[entry->number % 3];
	csd_state.of[5] += last.text[entry->number % 56];
	last = *entry;
	return turn & 3;
}
