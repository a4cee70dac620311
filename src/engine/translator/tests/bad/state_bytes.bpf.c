/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* More state than a program may have. */
#include "csd_bpf.h"

struct large {
	__u8 bytes[CSD_MAX_STATE_BYTES + 1];
};

CSD_STATE(struct large);

CSD_BUFFER_PROGRAM
int state_bytes(struct csd_context *context)
{
	return csd_state.bytes[context->offset & 1];
}
