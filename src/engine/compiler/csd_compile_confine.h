/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_COMPILE_CONFINE_H
#define CSD_COMPILE_CONFINE_H

#include "csd_compile.h"
#include "csd_confine.h"

/*
 * From here on this process and what it starts read and run what a compiler consists of, write in `folder` and to the
 * descriptors that they have, and do nothing else with this machine: no socket, no process outside, no right. They stay in
 * the process group that they are in. Landlock may be missing, for want of a newer kernel: `confined` tells.
 */
enum compile_end compile_confine(const char *folder, struct csd_confined *confined, char reason[CSD_REASON_BYTES]);

#endif
