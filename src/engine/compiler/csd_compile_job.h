/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_COMPILE_JOB_H
#define CSD_COMPILE_JOB_H

#include "csd_compile.h"

/*
 * The work itself, in a process that is confined and has a folder of its own as working directory: an object from stdin, a
 * blob to stdout. With COMPILE_DONE `reason` is empty, or a remark.
 */
enum compile_end compile_job(const struct compile_options *options, char reason[CSD_REASON_BYTES]);

/* To stdout: what a blob depends on besides its program, as lines of text. The same text, the same blob. */
enum compile_end compile_identity(const struct compile_options *options, char reason[CSD_REASON_BYTES]);

#endif
