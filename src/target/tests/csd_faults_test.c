/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_faults.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"

#define SECOND	CSD_FAULTS_NANOSECONDS

static void
expect_text(const char *found, const char *wanted)
{
	g_checks++;
	if (strcmp(found, wanted) != 0) {
		fprintf(stderr, "'%s' instead of '%s'\n", found, wanted);
		exit(1);
	}
}

static const struct csd_fault g_fault = {
	.kind = CSD_FAULT_FAULT, .signal = SIGSEGV, .address = 0x1234, .place = "instruction 3", .host = "nqn.host",
};

static bool
add(struct csd_faults *faults, uint64_t now, uint32_t most)
{
	return csd_faults_add(faults, &g_fault, now, most);
}

static void
test_count(void)
{
	static const enum csd_fault_kind counted[] = {CSD_FAULT_TIME, CSD_FAULT_FORGED, CSD_FAULT_FAULT};
	struct csd_faults faults = {};
	struct csd_fault fault = g_fault;
	uint64_t now;
	uint32_t i;

	for (i = 0; i < 3; i++) {
		fault.kind = counted[i];
		expect("the third is one too many", csd_faults_add(&faults, &fault, 5, 3) == (i == 2));
	}
	expect("deactivated", faults.deactivated == 3 && faults.count == 3);
	expect("told once", !add(&faults, 6, 3) && faults.count == 4);
	csd_faults_forgive(&faults);
	expect("taken back", faults.deactivated == 0 && faults.count == 4);
	expect("anew", !add(&faults, 7, 3) && !add(&faults, 7, 3) && add(&faults, 7 + SECOND, 3));

	faults = (struct csd_faults) {};
	for (now = 0; now < 100 * SECOND; now += SECOND / 2 + 1) {
		expect("not three within a second", !add(&faults, now, 3));
	}
	expect("a second is enough", add(&faults, now - SECOND / 2, 3));

	faults = (struct csd_faults) {};
	expect("order of threads", !add(&faults, 9, 3) && !add(&faults, 10, 3) && add(&faults, 8, 3));
}

static void
test_limits(void)
{
	struct csd_faults faults = {};
	struct csd_fault fault = g_fault;
	uint32_t i;

	for (i = 0; i < 1000; i++) {
		expect("never", !add(&faults, 5, 0));
		expect("more than can be counted", !add(&faults, 5, CSD_FAULTS_MOST + 1));
	}
	faults = (struct csd_faults) {};
	expect("at once", add(&faults, 5, 1) && faults.deactivated == 1);
	faults = (struct csd_faults) {};
	for (i = 0; i < CSD_FAULTS_MOST; i++) {
		expect("the most", add(&faults, 5 + i, CSD_FAULTS_MOST) == (i == CSD_FAULTS_MOST - 1));
	}
	faults = (struct csd_faults) {};
	for (i = 0; i < 10; i++) {
		fault.kind = i % 2 == 0 ? CSD_FAULT_KILLED : CSD_FAULT_START;
		expect("not the program's fault", !csd_faults_add(&faults, &fault, 5, 1) && faults.count == 0);
	}
	expect("but seen", faults.last.kind == CSD_FAULT_START);
}

static void
test_words(void)
{
	struct csd_faults faults = {};
	char text[CSD_FAULT_TEXT_BYTES];
	char small[8];

	csd_faults_explain(&faults, true, text);
	expect_text(text, "");
	add(&faults, 5, 2);
	csd_faults_explain(&faults, true, text);
	expect_text(text, "the program ended: memory that it has not at address 0x1234, by instruction 3");
	csd_faults_explain(&faults, false, text);
	expect_text(text, "the program ended: memory that it has not, by instruction 3");
	add(&faults, 5, 2);
	csd_faults_explain(&faults, false, text);
	expect_text(text, "deactivated: 2 faults within 1 s; the last: the program ended: memory that it has not, by instruction 3");
	faults.last.kind = CSD_FAULT_TIME;
	csd_faults_describe(&faults.last, true, text, sizeof(text));
	expect_text(text, "the program took too long; it was at instruction 3");
	faults.last.kind = CSD_FAULT_FORGED;
	csd_faults_describe(&faults.last, true, text, sizeof(text));
	expect_text(text, "the program's answer cannot be true: instruction 3");
	/* The longest text has room, with its end. */
	memset(faults.last.place, 'x', sizeof(faults.last.place) - 1);
	csd_faults_explain(&faults, true, text);
	expect("whole", strlen(text) == strlen("deactivated: 2 faults within 1 s; the last: the program's answer cannot be true: ") +
	       sizeof(faults.last.place) - 1);

	csd_faults_text(small, sizeof(small), "a\n\x1b\xc3\xa4z, and more");
	expect_text(small, "a????z,");
	expect_text(csd_faults_kind(CSD_FAULT_KILLED), "killed");
}

static void
test_option(void)
{
	static const char *const wrong[] = {"", "-1", "17", "three", "3 ", "99999999999999999999"};
	uint32_t i;

	expect("the default", csd_faults_limit() == CSD_FAULTS_DEFAULT);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		expect(wrong[i], csd_faults_set_limit(wrong[i]) == -EINVAL && csd_faults_limit() == CSD_FAULTS_DEFAULT);
	}
	expect("never", csd_faults_set_limit("0") == 0 && csd_faults_limit() == 0);
	expect("the most", csd_faults_set_limit("16") == 0 && csd_faults_limit() == 16);
}

int
main(void)
{
	test_count();
	test_limits();
	test_words();
	test_option();
	printf("csd_faults: %u checks\n", g_checks);
	return 0;
}
