/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The page through which a target and one worker talk: requests one way, answers the other, each with one producer and
 * one consumer. The worker runs a stranger's program that can write all of this page at any time; so the target keeps
 * what it needs to know for itself, copies each answer once, and believes of the copy what csd_ring_take() checked.
 */
#ifndef CSD_RING_H
#define CSD_RING_H

#include <stdbool.h>
#include <stdint.h>

#define CSD_RING_DEPTH		4	/* requests at a time */
#define CSD_RING_PAGE_BYTES	4096
#define CSD_RING_TRACE_BYTES	4096	/* of lines that the program writes, for each of them */
#define CSD_RING_BYTES		(CSD_RING_PAGE_BYTES + CSD_RING_DEPTH * CSD_RING_TRACE_BYTES)
#define CSD_RING_RANGES		6

/*
 * In a request's flags, beside CSD_CALL_...: it goes on where the one before it ended for want of room, with room of its own. Its
 * input is that one's, to the same end; the worker leaves out what was consumed. If that one ended otherwise there is nothing to do,
 * and the answer's end is CSD_RING_SKIPPED. So a worker works on while its output is copied.
 */
#define CSD_RING_CHAINED	0x100
#define CSD_RING_SKIPPED	0x100

/* A part of a memory that the worker was given, by its number there. */
struct csd_ring_reference {
	uint64_t memory;
	uint64_t offset;
	uint64_t length;
};

/* What the worker makes a struct csd_call of (csd_call.h). */
struct csd_ring_request {
	uint32_t sequence;
	uint32_t flags;		/* CSD_CALL_FIRST: data, state and parameters are set anew; CSD_CALL_LAST */
	uint64_t input_offset;	/* of the part in the whole input */
	struct csd_ring_reference input;
	struct csd_ring_reference output;
	struct csd_ring_reference data;		/* program data, read with CSD_CALL_FIRST for csd_parameters */
	struct csd_ring_reference state;	/* with CSD_CALL_FIRST: what csd_state begins with; of length 0: zeros */
	uint64_t cparam1;
	uint64_t cparam2;
	uint64_t range_count;
	struct csd_ring_reference ranges[CSD_RING_RANGES];
};

struct csd_ring_answer {
	uint32_t sequence;
	uint32_t end;		/* enum csd_call_end */
	uint64_t consumed;
	uint64_t records;
	uint64_t matches;
	uint64_t emitted;
	uint64_t traced;	/* bytes of lines; above CSD_RING_TRACE_BYTES: what went beyond it is lost */
};

/* Written by the worker when a signal ends it. Only for the slot's log: nothing follows from it. */
struct csd_ring_fault {
	uint32_t signal;	/* 0: none */
	uint32_t code;		/* si_code */
	uint64_t address;	/* that was accessed */
	uint64_t instruction;	/* address of the code that did */
};

struct csd_ring {
	uint32_t asked;			/* requests so far, modulo 2^32. The target writes it; a futex */
	uint8_t target_line[60];
	uint32_t answered;		/* answers so far. From here on, the worker writes */
	uint32_t asleep;		/* waits on `asked`: to be woken */
	uint32_t set_up;		/* ready for the first request */
	uint32_t layers;		/* that shut it in: a bit for each enum csd_layer (csd_confine.h) */
	uint8_t worker_line[48];
	struct csd_ring_fault fault;
	struct csd_ring_answer answers[CSD_RING_DEPTH];
	struct csd_ring_request requests[CSD_RING_DEPTH];	/* the target's again */
};
_Static_assert(sizeof(struct csd_ring) <= CSD_RING_PAGE_BYTES, "a ring is a page");

/* Behind the page: where a request's lines lie. Zeros when it is asked. */
static inline uint8_t *
csd_ring_lines(struct csd_ring *ring, uint32_t number)
{
	return (uint8_t *)ring + CSD_RING_PAGE_BYTES + number % CSD_RING_DEPTH * CSD_RING_TRACE_BYTES;
}

/* The target's side. */
struct csd_ring_side {
	struct csd_ring *ring;
	uint32_t asked;
	uint32_t answered;
	struct csd_ring_request requests[CSD_RING_DEPTH];	/* as asked */
};

/* Puts a request, numbers it, and wakes the worker if it sleeps. False: the ring is full. */
bool csd_ring_ask(struct csd_ring_side *side, struct csd_ring_request *request);

/*
 * The next answer, to the oldest request. 1: it is one. 0: not yet. -EPROTO: it cannot be true - another number than the
 * request's, more consumed than `most_consumed`, more emitted than there was room for, more matches than records where there
 * are records, more records than bytes: a fault of the program.
 */
int csd_ring_take(struct csd_ring_side *side, uint64_t most_consumed, struct csd_ring_answer *answer);

/*
 * What the program wrote for request `number`, copied once, and zeros in its place: `most` bytes at most, without zeros at
 * their end. How many there are. For a request that was answered, before the next one is asked; or one whose worker ends.
 */
uint32_t csd_ring_take_lines(struct csd_ring_side *side, uint32_t number, uint64_t most, uint8_t to[CSD_RING_TRACE_BYTES]);

static inline uint32_t
csd_ring_pending(const struct csd_ring_side *side)
{
	return side->asked - side->answered;
}

/* The worker's side: the next request, or NULL. `taken` counts those that were answered. */
struct csd_ring_request *csd_ring_next(struct csd_ring *ring, uint32_t taken);
void csd_ring_answer(struct csd_ring *ring, uint32_t taken, const struct csd_ring_answer *answer);
/* Waits until there are more than `taken` requests: looks for `spin_nanoseconds`, giving the CPU to others, then sleeps. */
void csd_ring_wait(struct csd_ring *ring, uint32_t taken, uint64_t spin_nanoseconds);

#endif
