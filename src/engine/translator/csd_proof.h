/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What the verifier says of a program that is to run in a worker: its verdict. (What a program says of a record is
 * another: enum csd_verdict.) A worker holds what is not proved; so that costs a program nothing, unless the policy asks
 * for it.
 */
#ifndef CSD_PROOF_H
#define CSD_PROOF_H

#include "csd_object.h"

/* As log C0h has it. */
enum csd_proof_kind {
	CSD_PROOF_NONE = 0,	/* nobody looked */
	CSD_PROVED = 1,		/* it ends, and keeps to its record, parameters, state and frame */
	CSD_NOT_PROVED = 2,	/* it may do so too */
	CSD_CERTAIN_FAULT = 3,	/* it does not, as soon as an instruction runs: not to be loaded */
};

struct csd_proof {
	enum csd_proof_kind kind;
	int64_t instruction;		/* of the object; -1: none */
	char words[CSD_REASON_BYTES];	/* why it is not proved; "": it is */
};

/* Of an object that csd_check() took. 0 or -ENOMEM. It takes milliseconds, 0.2 s at most: not on a reactor. */
int csd_prove(const struct csd_object *object, struct csd_proof *proof);

/* "proved", "not proved", "certain fault"; "": nobody looked. */
const char *csd_proof_name(enum csd_proof_kind kind);

#endif
