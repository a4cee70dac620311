/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Keeps what is in a list that comes with the command, of any length. */
#include "csd_bpf.h"

struct item {
	__u32 key;
	__u32 amount;
};

CSD_RECORD(struct item, sizeof(struct item), CSD_EMIT_RECORD);

CSD_PROGRAM
int one_of(const struct item *item)
{
	const __u32 *key = (const __u32 *)csd_parameters.data;
	__u32 left = csd_parameters.data_bytes / sizeof(*key);

	while (left-- > 0) {
		if (*key++ == item->key)
			return CSD_KEEP;
	}
	return CSD_DROP;
}
