/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Lines that test_source looks for by what stands in them. */
#include "csd_bpf.h"

struct words {
	__u64 word[8];
};

CSD_RECORD_STATE(struct words, sizeof(struct words), CSD_EMIT_NOTHING, __u64);

static __attribute__((noinline)) __u64
another(__u64 word)
{
	return word * 0x1234567 ^ csd_parameters.cparam2;	/* in another function */
}

CSD_PROGRAM
int places(const struct words *record)
{
	__u64 sum = 0;

	for (int i = 0; i < 8; i++) {
		sum += another(record->word[i]);	/* in the loop */
	}
	csd_state += sum;				/* behind it */
	return CSD_DROP;
}
