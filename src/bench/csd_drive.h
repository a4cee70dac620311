/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What a host asks a computational drive besides running programs: slots, programs, memory, range sets. */
#ifndef CSD_DRIVE_H
#define CSD_DRIVE_H

#include "csd_io.h"
#include "nvme_csd.h"

#define CSD_SLM_GRANULE		4	/* bytes: starts and lengths of SLM commands */
#define CSD_SLM_RESERVED	8192	/* at the end of SLM: data and state of our range set */

struct csd_drive {
	uint64_t slm_bytes;
	uint64_t slm_usable;		/* without what is reserved */
	struct csd_program_entry *slots;
	uint32_t slot_count;
	uint8_t program_type;		/* of eBPF */
};

struct csd_session;
struct csd_task;

/* Reads the slots, the program type and the size of SLM. */
int csd_drive_read(struct csd_session *session, struct csd_error *err);
void csd_drive_free(struct csd_drive *drive);

/* The slot holds this program, active, with the geometry that its native twin has. */
int csd_drive_check_slot(const struct csd_session *session, const struct csd_task *task, struct csd_error *err);

/* A range set of two ranges: no data, and `state_bytes` of state. */
int csd_drive_make_range_set(struct csd_session *session, uint32_t state_bytes, struct csd_error *err);
void csd_drive_remove_range_set(struct csd_session *session);

/* A command's ranges in SLM: what a program reads, and where its result goes. */
struct csd_slm_areas {
	uint64_t in, in_bytes;
	uint64_t out, out_bytes;
};

/* Commands whose data, what they work on, are written to `data`: SLM Copy of so many blocks, and Execute Program. */
struct csd_nvme_command csd_drive_copy(const struct csd_session *session, uint64_t first_block, uint64_t blocks, uint64_t to,
				       void *data);
struct csd_nvme_command csd_drive_execute(const struct csd_session *session, const struct csd_task *task,
					  const struct csd_slm_areas *areas, void *data);

/* The first slot that is empty; -1: none. */
int csd_drive_spare_slot(const struct csd_drive *drive);

struct csd_slot_timing {
	double load_s;			/* all bytes but the last granule */
	double verify_s;		/* the command with the last bytes: the drive verifies and compiles */
	double activate_s;
};

/* Loads and activates a program from a file; and the way back. */
int csd_drive_load(struct csd_session *session, uint16_t slot, const uint8_t *program, uint32_t bytes,
		   struct csd_slot_timing *timing, struct csd_error *err);
int csd_drive_unload(struct csd_session *session, uint16_t slot, struct csd_error *err);

#endif
