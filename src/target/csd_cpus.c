/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE	/* CPU sets */
#include "csd_cpus.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A number of a few digits and no sign; the place behind it. NULL: there is none. */
static const char *
cpus_number(const char *at, int *number)
{
	const char *begin = at;

	for (*number = 0; *at >= '0' && *at <= '9'; at++) {
		if (at - begin == 6) {
			return NULL;
		}
		*number = *number * 10 + (*at - '0');
	}
	return at == begin ? NULL : at;
}

/* "3" or "3-5"; the place behind it. NULL: it is none. */
static const char *
cpus_range(const char *at, int *first, int *last)
{
	at = cpus_number(at, first);
	*last = *first;
	if (at != NULL && *at == '-') {
		at = cpus_number(at + 1, last);
	}
	return at == NULL || *first > *last ? NULL : at;
}

/* Behind what is there. False: no room, and nothing was written. */
static bool
cpus_append(char *text, size_t room, int first, int last)
{
	char part[32];
	size_t used = strlen(text);

	if (first == last) {
		snprintf(part, sizeof(part), "%s%d", used > 0 ? "," : "", first);
	} else {
		snprintf(part, sizeof(part), "%s%d-%d", used > 0 ? "," : "", first, last);
	}
	if (strlen(part) >= room - used) {
		return false;
	}
	strcpy(text + used, part);
	return true;
}

void
csd_cpus_write(const cpu_set_t *set, char *text, size_t room)
{
	bool fits = true;

	text[0] = '\0';
	for (int cpu = 0; cpu < CPU_SETSIZE && fits; cpu++) {
		int first = cpu;

		if (CPU_ISSET(cpu, set)) {
			while (cpu + 1 < CPU_SETSIZE && CPU_ISSET(cpu + 1, set)) {
				cpu++;
			}
			fits = cpus_append(text, room, first, cpu);
		}
	}
}

static int
cpus_refuse(const cpu_set_t *usable, int cpu, char why[CSD_CPUS_WHY_BYTES])
{
	char list[128];

	csd_cpus_write(usable, list, sizeof(list));
	snprintf(why, CSD_CPUS_WHY_BYTES, "CPU %d does not exist, or may not be used by this process, which has %s", cpu, list);
	return -EINVAL;
}

int
csd_cpus_parse(const char *text, const cpu_set_t *usable, int cpus[CSD_CPUS_MOST], char why[CSD_CPUS_WHY_BYTES])
{
	cpu_set_t taken;
	const char *at = text;
	int count = 0;

	CPU_ZERO(&taken);
	for (;;) {
		int first, last;

		at = cpus_range(at, &first, &last);
		if (at == NULL || (*at != '\0' && *at != ',')) {
			snprintf(why, CSD_CPUS_WHY_BYTES, "CPUs by their numbers, such as 1,3-5, are wanted");
			return -EINVAL;
		}
		for (int cpu = first; cpu <= last; cpu++) {
			if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, usable)) {
				return cpus_refuse(usable, cpu, why);
			}
			if (!CPU_ISSET(cpu, &taken)) {
				CPU_SET(cpu, &taken);
				cpus[count++] = cpu;
			}
		}
		if (*at == '\0') {
			return count;
		}
		at++;
	}
}
