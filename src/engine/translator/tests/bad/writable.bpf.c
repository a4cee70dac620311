/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A range that no command can have. */
#include "csd_bpf.h"

CSD_STATE(__u64);
CSD_WRITABLE(CSD_RANGE(6));

CSD_BUFFER_PROGRAM
int writable(struct csd_context *context)
{
	csd_state = context->range_count;
	return 0;
}
