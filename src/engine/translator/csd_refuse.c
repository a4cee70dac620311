/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "csd_code.h"

int
csd_refuse(char reason[CSD_REASON_BYTES], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, CSD_REASON_BYTES, format, arguments);
	va_end(arguments);
	return -EINVAL;
}
