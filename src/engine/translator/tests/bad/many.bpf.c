/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* More functions than a program may have. */
#include "csd_bpf.h"

CSD_RECORD(__u64, 8, CSD_EMIT_RECORD);

#define ONE(n)		__attribute__((noinline, used)) static int f##n(void) { return 0x##n; }
#define FOUR(n)		ONE(n##0) ONE(n##1) ONE(n##2) ONE(n##3)
#define SIXTEEN(n)	FOUR(n##0) FOUR(n##1) FOUR(n##2) FOUR(n##3)
#define SIXTY_FOUR(n)	SIXTEEN(n##0) SIXTEEN(n##1) SIXTEEN(n##2) SIXTEEN(n##3)

SIXTY_FOUR(0)
SIXTY_FOUR(1)
SIXTY_FOUR(2)
SIXTY_FOUR(3)

CSD_PROGRAM
int many(const __u64 *record)
{
	return *record & 1;
}
