/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_faults.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t g_faults_limit = CSD_FAULTS_DEFAULT;

void
csd_faults_text(char *to, size_t room, const char *text)
{
	size_t i;

	for (i = 0; i + 1 < room && text[i] != '\0'; i++) {
		to[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	}
	to[i] = '\0';
}

static bool
faults_counts(enum csd_fault_kind kind)
{
	return kind == CSD_FAULT_FAULT || kind == CSD_FAULT_TIME || kind == CSD_FAULT_FORGED;
}

bool
csd_faults_add(struct csd_faults *faults, const struct csd_fault *fault, uint64_t now, uint32_t most)
{
	uint64_t first;

	faults->last = *fault;
	if (!faults_counts(fault->kind)) {
		return false;
	}
	faults->count++;
	faults->times[faults->recent++ % CSD_FAULTS_MOST] = now;
	if (most == 0 || most > CSD_FAULTS_MOST || faults->recent < most || faults->deactivated != 0) {
		return false;
	}
	/* Threads' clocks are one, but who comes first to the lock is chance. */
	first = faults->times[(faults->recent - most) % CSD_FAULTS_MOST];
	if (now > first && now - first > CSD_FAULTS_NANOSECONDS) {
		return false;
	}
	faults->deactivated = most;
	return true;
}

void
csd_faults_forgive(struct csd_faults *faults)
{
	faults->recent = 0;
	faults->deactivated = 0;
}

const char *
csd_faults_kind(enum csd_fault_kind kind)
{
	switch (kind) {
	case CSD_FAULT_NONE:
		return "none";
	case CSD_FAULT_FAULT:
		return "fault";
	case CSD_FAULT_TIME:
		return "time";
	case CSD_FAULT_FORGED:
		return "forged";
	case CSD_FAULT_KILLED:
		return "killed";
	case CSD_FAULT_START:
		return "start";
	}
	return "unknown";
}

static const char *
faults_signal(uint32_t number)
{
	switch (number) {
	case 0:
		return "it left its process";
	case SIGSEGV:
	case SIGBUS:
		return "memory that it has not";
	case SIGILL:
	case SIGTRAP:
		return "a rule that it broke";
	case SIGSYS:
		return "a system call";
	default:
		return "a signal";
	}
}

void
csd_faults_describe(const struct csd_fault *fault, bool whole, char *to, size_t room)
{
	char address[40] = "";

	switch (fault->kind) {
	case CSD_FAULT_FAULT:
		if (whole) {
			snprintf(address, sizeof(address), " at address %#" PRIx64, fault->address);
		}
		snprintf(to, room, "the program ended: %s%s, by %s", faults_signal(fault->signal), address, fault->place);
		break;
	case CSD_FAULT_TIME:
		snprintf(to, room, "the program took too long; it was at %s", fault->place);
		break;
	case CSD_FAULT_FORGED:
		snprintf(to, room, "the program's answer cannot be true: %s", fault->place);
		break;
	case CSD_FAULT_KILLED:
		snprintf(to, room, "its process was ended from outside");
		break;
	case CSD_FAULT_START:
		snprintf(to, room, "its process could not be started, or not in time");
		break;
	default:
		to[0] = '\0';
	}
}

void
csd_faults_explain(const struct csd_faults *faults, bool whole, char to[CSD_FAULT_TEXT_BYTES])
{
	int used = 0;

	if (faults->deactivated != 0) {
		used = snprintf(to, CSD_FAULT_TEXT_BYTES, "deactivated: %u faults within 1 s; the last: ", faults->deactivated);
	}
	csd_faults_describe(&faults->last, whole, to + used, CSD_FAULT_TEXT_BYTES - (size_t)used);
}

int
csd_faults_set_limit(const char *text)
{
	char *end = NULL;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || number < 0 || number > CSD_FAULTS_MOST) {
		fprintf(stderr, "csd_tgt: --program-faults %s: a number from 0 to %d\n", text, CSD_FAULTS_MOST);
		return -EINVAL;
	}
	g_faults_limit = (uint32_t)number;
	return 0;
}

uint32_t
csd_faults_limit(void)
{
	return g_faults_limit;
}
