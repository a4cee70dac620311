/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_ring.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "csd_call.h"
#include "csd_now.h"

/* Looks between two times that the CPU is given to others. */
#define RING_LOOKS	64

bool
csd_ring_ask(struct csd_ring_side *side, struct csd_ring_request *request)
{
	struct csd_ring *ring = side->ring;
	uint32_t slot = side->asked % CSD_RING_DEPTH;

	if (csd_ring_pending(side) == CSD_RING_DEPTH) {
		return false;
	}
	request->sequence = side->asked;
	side->requests[slot] = *request;
	ring->requests[slot] = *request;
	side->asked++;
	/* Against the worker's: asleep, then a look at `asked`. One of the two sees the other's. */
	__atomic_store_n(&ring->asked, side->asked, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&ring->asleep, __ATOMIC_SEQ_CST) != 0) {
		syscall(SYS_futex, &ring->asked, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	return true;
}

/* A program that sees no records counts what it emits in `matches`. */
static bool
ring_can_be(const struct csd_ring_request *request, uint64_t most_consumed, const struct csd_ring_answer *answer)
{
	if (answer->end == CSD_RING_SKIPPED) {
		return (request->flags & CSD_RING_CHAINED) != 0 && answer->sequence == request->sequence && answer->consumed == 0 &&
		       answer->emitted == 0 && answer->records == 0 && answer->matches == 0;
	}
	return answer->sequence == request->sequence && answer->end <= CSD_CALL_STOPPED &&
	       answer->consumed <= most_consumed && answer->emitted <= request->output.length &&
	       answer->records <= request->input.length && (answer->records == 0 || answer->matches <= answer->records);
}

int
csd_ring_take(struct csd_ring_side *side, uint64_t most_consumed, struct csd_ring_answer *answer)
{
	const struct csd_ring_answer *given = &side->ring->answers[side->answered % CSD_RING_DEPTH];
	uint32_t answered = __atomic_load_n(&side->ring->answered, __ATOMIC_ACQUIRE), ready = answered - side->answered;

	if (ready == 0) {
		return 0;
	}
	if (ready > csd_ring_pending(side)) {
		return -EPROTO;
	}
	/* Once: what is checked is what is used. */
	answer->sequence = __atomic_load_n(&given->sequence, __ATOMIC_RELAXED);
	answer->end = __atomic_load_n(&given->end, __ATOMIC_RELAXED);
	answer->consumed = __atomic_load_n(&given->consumed, __ATOMIC_RELAXED);
	answer->records = __atomic_load_n(&given->records, __ATOMIC_RELAXED);
	answer->matches = __atomic_load_n(&given->matches, __ATOMIC_RELAXED);
	answer->emitted = __atomic_load_n(&given->emitted, __ATOMIC_RELAXED);
	answer->traced = __atomic_load_n(&given->traced, __ATOMIC_RELAXED);
	if (!ring_can_be(&side->requests[side->answered % CSD_RING_DEPTH], most_consumed, answer)) {
		return -EPROTO;
	}
	side->answered++;
	return 1;
}

uint32_t
csd_ring_take_lines(struct csd_ring_side *side, uint32_t number, uint64_t most, uint8_t to[CSD_RING_TRACE_BYTES])
{
	uint8_t *lines = csd_ring_lines(side->ring, number);
	size_t room = most < CSD_RING_TRACE_BYTES ? (size_t)most : CSD_RING_TRACE_BYTES;

	memcpy(to, lines, room);
	memset(lines, 0, room);
	while (room > 0 && to[room - 1] == 0) {
		room--;
	}
	return (uint32_t)room;
}

struct csd_ring_request *
csd_ring_next(struct csd_ring *ring, uint32_t taken)
{
	return __atomic_load_n(&ring->asked, __ATOMIC_ACQUIRE) == taken ? NULL : &ring->requests[taken % CSD_RING_DEPTH];
}

void
csd_ring_answer(struct csd_ring *ring, uint32_t taken, const struct csd_ring_answer *answer)
{
	ring->answers[taken % CSD_RING_DEPTH] = *answer;
	__atomic_store_n(&ring->answered, taken + 1, __ATOMIC_RELEASE);
}

static bool
ring_looks(struct csd_ring *ring, uint32_t taken)
{
	for (uint32_t i = 0; i < RING_LOOKS; i++) {
		if (csd_ring_next(ring, taken) != NULL) {
			return true;
		}
		__builtin_ia32_pause();
	}
	return false;
}

void
csd_ring_wait(struct csd_ring *ring, uint32_t taken, uint64_t spin_nanoseconds)
{
	uint64_t start;

	if (csd_ring_next(ring, taken) != NULL) {
		return;
	}
	start = csd_now();
	while (!ring_looks(ring, taken)) {
		if (csd_now() - start < spin_nanoseconds) {
			sched_yield();
			continue;
		}
		__atomic_store_n(&ring->asleep, 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&ring->asked, __ATOMIC_SEQ_CST) == taken) {
			syscall(SYS_futex, &ring->asked, FUTEX_WAIT, taken, NULL, NULL, 0);
		}
		__atomic_store_n(&ring->asleep, 0, __ATOMIC_SEQ_CST);
	}
}
