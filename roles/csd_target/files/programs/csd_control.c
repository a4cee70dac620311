/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Compiled once for each program, with PROGRAM its name and PROGRAM_SOURCE its file. */
#define csd_program_geometry	CONTROL_NAME_(geometry_of_, PROGRAM)
#define CONTROL_NAME(a, b)	a ## b
#define CONTROL_NAME_(a, b)	CONTROL_NAME(a, b)
#define CONTROL_TEXT(a)		#a
#define CONTROL_TEXT_(a)	CONTROL_TEXT(a)

#include PROGRAM_SOURCE
#include "csd_control.h"

static int
call(const void *record)
{
	return PROGRAM(record);
}

static uint64_t
inlined(const uint8_t *record, uint64_t records, uint8_t *out)
{
	return csd_control_loop(call, record, records, out, csd_program_geometry.record_bytes,
				csd_program_geometry.stride_bytes, csd_program_geometry.emit);
}

extern const struct csd_control CONTROL_NAME_(csd_control_, PROGRAM);
const struct csd_control CONTROL_NAME_(csd_control_, PROGRAM) = {
	.name = CONTROL_TEXT_(PROGRAM),
	.geometry = &csd_program_geometry,
	.program = call,
	.inlined = inlined,
};
