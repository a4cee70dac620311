/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The program slots of a compute namespace: what is loaded, verified, active, and running.
 *
 *	EMPTY --first chunk--> LOADING --last chunk--> VERIFYING --accepted--> LOADED <--> ACTIVE
 *	                                     any --refused, dropped, unloaded--> EMPTY
 *
 * Shared by all threads under one mutex, which is held for the time of an assignment (or of copying a chunk), never
 * while a program is verified or runs. A running command has counted itself into its slot, so that the slot stays
 * ACTIVE with its program until the command ends.
 *
 * Nothing here knows of NVMe-oF requests; functions that can refuse return -1 with the refusal filled in.
 */
#ifndef CSD_SLOTS_H
#define CSD_SLOTS_H

#include <pthread.h>
#include <sys/uio.h>

#include "csd_compute.h"
#include "csd_faults.h"
#include "csd_loaded.h"
#include "csd_refusal.h"
#include "csd_statistics.h"
#include "csd_trace.h"

struct csd_slot {
	enum csd_slot_state state;
	uint32_t running;		/* commands */
	bool draining;			/* ACTIVE, but no command begins to run it any more */
	uint8_t program_type;
	uint8_t pit;			/* what pid is: NVME_PIT_* */
	uint64_t pid;
	uint32_t size;			/* of the program */
	struct csd_loaded *loaded;	/* LOADED, ACTIVE */
	/* LOADING */
	uint8_t *bytes;
	uint32_t received;
	const void *owner;
	struct csd_load_options options;
	/* history */
	bool used;			/* a load was finished, well or badly */
	char reason[CSD_REASON_BYTES];	/* why the last load was refused; "": it was not */
	struct csd_statistics statistics;
	struct csd_faults faults;
	struct csd_trace *trace;	/* NULL: no program wrote a line yet */
};

struct csd_slots {
	pthread_mutex_t mutex;
	struct csd_compute_options options;
	uint16_t active;
	uint64_t total_bytes;
	uint64_t generation;		/* of the program list */
	struct csd_slot *slot;
};

/* Whether programs of this type (PTYPE) are eBPF here. */
bool csd_slots_takes_type(const struct csd_compute_options *options, uint8_t program_type);

int csd_slots_init(struct csd_slots *slots, const struct csd_compute_options *options);
void csd_slots_fini(struct csd_slots *slots);

/* One piece of a program. */
struct csd_chunk {
	uint16_t pind;
	uint8_t program_type;
	uint8_t pit;			/* what pid is: NVME_PIT_* */
	uint64_t pid;
	uint32_t size;			/* of the whole program */
	uint32_t offset;		/* 0 begins a load, whatever was loading before */
	uint32_t length;
	const struct iovec *iov;
	int iovcnt;
	const void *owner;		/* who loads, until csd_slots_forget(): the pieces of two hosts do not mix */
	struct csd_load_options options;
};

/* A whole program on its way to the verifier. */
struct csd_verification {
	uint16_t pind;
	uint8_t *bytes;
	uint32_t length;
	struct csd_load_options options;
};

/* 1: this was the last piece; csd_slots_verified() has to follow. 0: more pieces are to come. -1: refused. */
int csd_slots_load(struct csd_slots *slots, const struct csd_chunk *chunk, struct csd_verification *verification,
		   struct csd_refusal *refusal);

/* Who began a load has gone: what came of it goes too, and nobody can go on with it. */
void csd_slots_forget(struct csd_slots *slots, const void *owner);

/* `loaded` NULL: refused for this reason. */
int csd_slots_verified(struct csd_slots *slots, uint16_t pind, struct csd_loaded *loaded, const char *reason,
		       struct csd_refusal *refusal);

/* Nobody waited for it any more. Always -1: what a command that is answered nevertheless is told. */
int csd_slots_dropped(struct csd_slots *slots, uint16_t pind, struct csd_refusal *refusal);

int csd_slots_unload(struct csd_slots *slots, uint16_t pind, struct csd_refusal *refusal);
int csd_slots_activate(struct csd_slots *slots, uint16_t pind, struct csd_refusal *refusal);
int csd_slots_deactivate(struct csd_slots *slots, uint16_t pind, struct csd_refusal *refusal);
/*
 * For an administrator, whom hosts that never pause must not keep out: as long as commands run the program it is refused
 * as csd_slots_deactivate() is, but from then on none begins. Ask again until it is done; csd_slots_activate() takes it back.
 */
int csd_slots_drain(struct csd_slots *slots, uint16_t pind, struct csd_refusal *refusal);

/* For a command that runs the program: a counted program, and the slot stays active until csd_slots_release(). */
int csd_slots_acquire(struct csd_slots *slots, uint16_t pind, struct csd_loaded **loaded, struct csd_refusal *refusal);
void csd_slots_release(struct csd_slots *slots, uint16_t pind, struct csd_loaded *loaded);
/* Whether what was acquired may still begin: faults may have deactivated the slot meanwhile. */
bool csd_slots_may_begin(const struct csd_slots *slots, uint16_t pind);

/*
 * A command that acquired the program ended so. True: that was one too many, no further one begins, and *explained says so;
 * the slot is LOADED when those that run have ended.
 */
bool csd_slots_fault(struct csd_slots *slots, uint16_t pind, const struct csd_fault *fault,
		     char explained[CSD_FAULT_TEXT_BYTES]);
/* Lines that it wrote. Without memory for them they are lost. */
void csd_slots_trace(struct csd_slots *slots, uint16_t pind, const uint8_t *lines, uint32_t bytes, uint64_t lost);

#endif
