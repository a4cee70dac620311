/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* No range that it writes to, and says so. */
#include "csd_bpf.h"

CSD_STATE(__u64);
CSD_WRITABLE(0);

CSD_BUFFER_PROGRAM
int writable_none(struct csd_context *context)
{
	csd_state = context->range_count;
	return 0;
}
