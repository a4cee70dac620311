/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A state that nobody declared. */
#include "csd_bpf.h"

extern __u64 csd_state;

CSD_BUFFER_PROGRAM
int no_state(struct csd_context *context)
{
	return context->offset > csd_state;
}
