/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Programs over a buffer, as loops are written in C. There is no context of memory ranges yet: r1 to r3 are the data, how
 * many bytes they have (a multiple of 64), and as many bytes for what comes out. What is returned stands for all that was
 * found.
 */
#ifndef LOOP_H
#define LOOP_H

#include "csd_bpf.h"

#define LOOP	CSD_SECTION("csd/buffer")

#endif
