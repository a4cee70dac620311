/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_error.h"

#include <stdarg.h>

int
csd_fail(struct csd_error *err, enum csd_exit code, const char *asked, ...)
{
	va_list args;

	err->code = code;
	va_start(args, asked);
	vsnprintf(err->asked, sizeof(err->asked), asked, args);
	va_end(args);
	err->found[0] = '\0';
	err->fix[0] = '\0';
	return -(int)code;
}

int
csd_found(struct csd_error *err, const char *found, ...)
{
	va_list args;

	va_start(args, found);
	vsnprintf(err->found, sizeof(err->found), found, args);
	va_end(args);
	return -(int)err->code;
}

int
csd_fix(struct csd_error *err, const char *fix, ...)
{
	va_list args;

	va_start(args, fix);
	vsnprintf(err->fix, sizeof(err->fix), fix, args);
	va_end(args);
	return -(int)err->code;
}

void
csd_error_print(const struct csd_error *err, FILE *out)
{
	fprintf(out, "asked: %s\nfound: %s\ndo: %s\n", err->asked, err->found, err->fix);
}
