/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_refusal.h"

#include <stdarg.h>
#include <stdio.h>

int
csd_refusal_set(struct csd_refusal *refusal, uint8_t status_code_type, uint8_t status_code, const char *format, ...)
{
	va_list arguments;

	refusal->status_code_type = status_code_type;
	refusal->status_code = status_code;
	va_start(arguments, format);
	vsnprintf(refusal->why, sizeof(refusal->why), format, arguments);
	va_end(arguments);
	return -1;
}
