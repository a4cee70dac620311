/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * How a slot's program ended in its processes: the last time, how often, and whether that is too often. Plain: knows
 * nothing of SPDK.
 */
#ifndef CSD_FAULTS_H
#define CSD_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nvme_csd.h"

/* So many of FAULT, TIME and FORGED within a second deactivate a slot. */
#define CSD_FAULTS_DEFAULT	3
#define CSD_FAULTS_MOST		16
#define CSD_FAULTS_NANOSECONDS	1000000000ULL

struct csd_fault {
	enum csd_fault_kind kind;
	uint32_t signal;	/* 0: none */
	uint64_t address;	/* that it accessed, with a signal */
	int64_t seconds;	/* UTC, since 1970 */
	char place[320];	/* of the instruction, as csd_loaded_place() has it; of an answer, what is wrong with it */
	char host[224];		/* NQN of the host whose command it was */
};

struct csd_faults {
	uint64_t count;			/* of FAULT, TIME and FORGED, since the program was loaded */
	struct csd_fault last;		/* of any kind */
	uint64_t times[CSD_FAULTS_MOST];	/* ns, of the newest since it was activated */
	uint32_t recent;		/* how many there were since then, as far as that matters */
	uint32_t deactivated;		/* so many were too many; 0: it is not deactivated */
};

/* Text to a field of `room` bytes, fit for logs and for JSON. */
void csd_faults_text(char *to, size_t room, const char *text);

/* `now` in ns; `most` 0: never too many. True: this one was one too many, and the slot is deactivated from now on. */
bool csd_faults_add(struct csd_faults *faults, const struct csd_fault *fault, uint64_t now, uint32_t most);
/* Activated anew: counts from 0. */
void csd_faults_forgive(struct csd_faults *faults);

/* "fault", "time", ... */
const char *csd_faults_kind(enum csd_fault_kind kind);
/* What it was, in a sentence; `whole`: with the address, which may be data. */
void csd_faults_describe(const struct csd_fault *fault, bool whole, char *to, size_t room);
/* The same, and that the slot is deactivated, if it is. "" where there was none. */
void csd_faults_explain(const struct csd_faults *faults, bool whole, char to[CSD_FAULT_TEXT_BYTES]);

/* The limit, as text: 0 to CSD_FAULTS_MOST. 0 or -EINVAL. Before SPDK starts. */
int csd_faults_set_limit(const char *text);
uint32_t csd_faults_limit(void);

#endif
