/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * An interpreter of eBPF, written from RFC 9669 and nothing else: slow, plain, and without a line of the translator,
 * whose results it is there to judge. Where the RFC leaves something open, what nobody may rely on is filled with
 * rubbish (r1 to r5 behind a call, registers that a function was not given); frames begin as zeros, as the engine says.
 */
#ifndef RFC9669_H
#define RFC9669_H

#include <stddef.h>
#include <stdint.h>

#define RFC_FRAME_BYTES	512
#define RFC_FRAMES	16
#define RFC_REGIONS	4

enum rfc_end {
	RFC_DONE,
	RFC_FAULT,	/* memory that is none of the program's, or an atomic operation that is not aligned */
	RFC_TOO_LONG,	/* took all the steps that it was given */
	RFC_INVALID,	/* no instruction of the base groups */
};

struct rfc_region {
	uint8_t *bytes;
	size_t length;
};

struct rfc_machine {
	const uint8_t *code;		/* 8 bytes each */
	size_t count;
	size_t entry;
	uint64_t steps;			/* that it may take; fewer afterwards */
	struct rfc_region regions[RFC_REGIONS];		/* besides the frames */
	/* Of each instruction, or NULL: the region whose address a 64-bit immediate stands for, one more than its index. */
	const uint8_t *address_of;
	uint8_t frames[RFC_FRAMES][RFC_FRAME_BYTES];
};

enum rfc_end rfc_run(struct rfc_machine *machine, const uint64_t arguments[5], uint64_t *result);

#endif
