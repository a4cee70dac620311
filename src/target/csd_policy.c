/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool g_verified;

int
csd_policy_configure(const char *name)
{
	if (strcmp(name, "isolated") != 0 && strcmp(name, "verified") != 0) {
		fprintf(stderr, "--programs-policy %s: isolated and verified are known\n", name);
		return -EINVAL;
	}
	g_verified = strcmp(name, "verified") == 0;
	return 0;
}

const char *
csd_policy_name(void)
{
	return g_verified ? "verified" : "isolated";
}

bool
csd_policy_takes(const struct csd_proof *proof, char reason[CSD_REASON_BYTES])
{
	if (proof->kind == CSD_CERTAIN_FAULT) {
		csd_refuse(reason, "%s", proof->words);
		return false;
	}
	if (g_verified && proof->kind != CSD_PROVED) {
		/* The words last: they are what may be cut off. */
		csd_refuse(reason, "policy verified takes what is proved alone: change the program, or the policy to isolated; %s: %s",
			   csd_proof_name(proof->kind), proof->words);
		return false;
	}
	return true;
}
