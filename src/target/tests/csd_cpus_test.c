/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#define _GNU_SOURCE	/* CPU sets */
#include "csd_cpus.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"

/* CPUs 0 to 7 without 2, and the last that a set can have. */
static cpu_set_t
usable(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int cpu = 0; cpu < 8; cpu++) {
		CPU_SET(cpu, &set);
	}
	CPU_CLR(2, &set);
	CPU_SET(CPU_SETSIZE - 1, &set);
	return set;
}

static void
expect_cpus(const char *text, const int *wanted, int count)
{
	int cpus[CSD_CPUS_MOST];
	char why[CSD_CPUS_WHY_BYTES];
	cpu_set_t set = usable();

	expect(text, csd_cpus_parse(text, &set, cpus, why) == count);
	expect(text, memcmp(cpus, wanted, (size_t)count * sizeof(cpus[0])) == 0);
}

static void
expect_refusal(const char *text, const char *wanted)
{
	int cpus[CSD_CPUS_MOST];
	char why[CSD_CPUS_WHY_BYTES];
	cpu_set_t set = usable();

	expect(text, csd_cpus_parse(text, &set, cpus, why) == -EINVAL);
	expect(why, strcmp(why, wanted) == 0);
}

static void
expect_no_list(const char *text)
{
	expect_refusal(text, "CPUs by their numbers, such as 1,3-5, are wanted");
}

static void
expect_unusable(const char *text, int cpu)
{
	char wanted[CSD_CPUS_WHY_BYTES];

	snprintf(wanted, sizeof(wanted), "CPU %d does not exist, or may not be used by this process, which has 0-1,3-7,%d", cpu,
		 CPU_SETSIZE - 1);
	expect_refusal(text, wanted);
}

int
main(void)
{
	static const char *const none[] = {
		"", ",", "1,", ",1", "1,,3", "-", "-1", "1-", "5-3", "1-3-5", "0x1", "1 ", " 1", "+1", "a", "1;3", "1000000", "1-9999999",
	};
	cpu_set_t set = usable();
	char text[16];

	expect_cpus("0", (int[]) {0}, 1);
	expect_cpus("1,3-5", (int[]) {1, 3, 4, 5}, 4);
	expect_cpus("7,0-1,1,7", (int[]) {7, 0, 1}, 3);
	expect_cpus("007", (int[]) {7}, 1);
	expect_cpus("1023", (int[]) {1023}, 1);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		expect_no_list(none[i]);
	}
	expect_unusable("1,2", 2);
	expect_unusable("1-3", 2);
	expect_unusable("8", 8);
	expect_unusable("1024", 1024);
	expect_unusable("7-999999", 8);
	csd_cpus_write(&set, text, sizeof(text));
	expect("whole", strcmp(text, "0-1,3-7,1023") == 0);
	csd_cpus_write(&set, text, 9);
	expect("cut behind a part", strcmp(text, "0-1,3-7") == 0);
	CPU_ZERO(&set);
	csd_cpus_write(&set, text, sizeof(text));
	expect("nothing", text[0] == '\0');
	printf("csd_cpus: %u checks\n", g_checks);
	return 0;
}
