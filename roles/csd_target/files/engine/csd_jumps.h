/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_JUMPS_H
#define CSD_JUMPS_H

#include "csd_code.h"

/*
 * Whether every jump of the machine code that librte_bpf made of `code` goes where it should. Its JIT chooses between
 * short and long jumps in passes, and takes two passes of equal length for the same: there are programs for which they
 * are not, whose jumps then miss by some bytes. False also where the machine code is not understood.
 */
bool csd_jumps_are_right(const struct csd_code *code, const void *native, size_t bytes);

#endif
