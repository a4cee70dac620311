/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <string.h>

#include "csd_helper.h"

/* csd_prelude.h has csd_NAME() for each. */
static const struct csd_helper helpers[] = {
	{0x10000, "memcmp"},
	{0x10001, "memcpy"},
	{0x10002, "memmove"},
	{0x10003, "memset"},
};

#define HELPERS	(sizeof(helpers) / sizeof(helpers[0]))

const struct csd_helper *
csd_helper_numbered(int32_t number)
{
	for (size_t i = 0; i < HELPERS; i++) {
		if (helpers[i].number == number) {
			return &helpers[i];
		}
	}
	return NULL;
}

const struct csd_helper *
csd_helper_named(const char *name)
{
	for (size_t i = 0; i < HELPERS; i++) {
		if (strcmp(helpers[i].name, name) == 0) {
			return &helpers[i];
		}
	}
	return NULL;
}
