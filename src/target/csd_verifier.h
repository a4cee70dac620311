/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Programs on their way into slots, on threads of their own, two to four: to verify one takes milliseconds, to compile it
 * seconds. Whose turn it is says csd_load_queue.h.
 */
#ifndef CSD_VERIFIER_H
#define CSD_VERIFIER_H

#include "csd_slots.h"

/* `loaded` NULL: refused, and why; `reason` NULL: nobody wanted it any more. Called on the thread that asked. */
typedef void (*csd_verified)(void *ctx, uint16_t pind, struct csd_loaded *loaded, const char *reason);

struct csd_verifier_asker {
	const char *host_nqn;		/* "": an administrator, by RPC */
	/* On the thread that asked, every 10 ms. False: it leaves the queue, or its compiler is ended. */
	bool (*wanted)(void *ctx);
	csd_verified verified;
	void *ctx;
};

/* Takes over the verification's bytes if it returns 0; -ENOMEM, -EAGAIN (no thread to be had) leave them. */
int csd_verifier_submit(const struct csd_verification *verification, const struct csd_verifier_asker *asker);

#endif
