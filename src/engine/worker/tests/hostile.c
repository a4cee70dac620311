/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * A program that does what it is told by its first parameter (hostile.h): machine code that no translator has seen, as if
 * somebody had put a blob of their own in the cache's place. Linked as a blob (csd_blob.ld), without a library.
 */
#include "hostile.h"

#include "csd_bpf.h"
#include "csd_call.h"
#include "csd_layout.h"
#include "csd_ring.h"

#define KEPT	__attribute__((used, aligned(64)))

/* Not all zeros: data that come with the program lie behind its code in the file. */
KEPT struct csd_parameters csd_0_parameters = {.cparam2 = 1};
KEPT uint64_t csd_0_state[512];
KEPT static uint64_t hostile_given[] = {HOSTILE_GIVEN};

static volatile uint64_t hostile_never = 1;

static long
hostile_system_call(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}

static uint64_t __attribute__((noinline))
hostile_recurse(uint64_t depth)
{
	volatile uint8_t frame[512];

	frame[depth % sizeof(frame)] = (uint8_t)depth;
	return hostile_never != 0 ? hostile_recurse(depth + 1) + frame[0] : depth;
}

static void __attribute__((noinline))
hostile_smash(void)
{
	volatile uint64_t *frame = __builtin_frame_address(0);

	for (uint64_t i = 0; i < 64; i++) {
		frame[i] = 0xdead0000dead0000ULL;
	}
}

/* Whatever is written last wins: all of the page, while the target reads it. */
static void
hostile_scribble(uint64_t turns)
{
	volatile uint64_t *page = (volatile uint64_t *)CSD_LAYOUT_RING;

	for (uint64_t turn = 0; turn < turns; turn++) {
		for (uint64_t i = 0; i < CSD_RING_BYTES / 8; i++) {
			page[i] = turn * 0x9e3779b97f4a7c15ULL + i;
		}
	}
}

/* Answers a request that was not run, and goes on changing what it said. */
static void
hostile_forge(const struct csd_call *call)
{
	volatile struct csd_ring *ring = (volatile struct csd_ring *)CSD_LAYOUT_RING;
	volatile struct csd_ring_answer *answer = &ring->answers[ring->answered % CSD_RING_DEPTH];

	answer->sequence = ring->answered;
	answer->end = 0;
	answer->records = answer->matches = 1;
	ring->answered = ring->answered + 1;
	for (uint64_t turn = 0;; turn++) {
		answer->consumed = turn % 2 == 0 ? 0 : UINT64_MAX;
		answer->emitted = turn % 2 == 0 ? call->out_bytes : UINT64_MAX;
	}
}

static void
hostile_lines(struct csd_call *call, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes && i < call->trace_bytes; i++) {
		((volatile uint8_t *)call->trace)[i] = 'x';
	}
	call->traced = bytes;
}

static void
hostile_honest(struct csd_call *call)
{
	const uint8_t *input = (const uint8_t *)call->input;
	uint64_t *out = (uint64_t *)call->out;

	for (uint64_t i = 0; i < call->input_bytes; i++) {
		csd_0_state[0] += input[i];
	}
	csd_0_state[1] = csd_0_parameters.cparam2;
	csd_0_state[2] = hostile_given[0]++;
	csd_0_state[3]++;
	if (call->out_bytes >= 8) {
		out[0] = csd_0_state[0];
		call->emitted = 8;
	}
	call->consumed = call->input_bytes;
	call->records = call->matches = 1;
}

void csd_0_call(struct csd_call *call);

void
csd_0_call(struct csd_call *call)
{
	volatile struct csd_ring *ring = (volatile struct csd_ring *)CSD_LAYOUT_RING;
	volatile uint8_t *address = (volatile uint8_t *)csd_0_parameters.cparam2;
	uint64_t what = csd_0_parameters.cparam1;

	hostile_honest(call);
	switch (what) {
	case HOSTILE_READ:
		csd_0_state[4] = *address;
		break;
	case HOSTILE_WRITE:
		*address = 1;
		break;
	case HOSTILE_LOOP:
		while (hostile_never != 0) {
		}
		break;
	case HOSTILE_RECURSE:
		csd_0_state[4] = hostile_recurse(0);
		break;
	case HOSTILE_STACK:
		__asm__ volatile("movq $0, -0x40000000(%%rsp)" ::: "memory");
		break;
	case HOSTILE_SMASH:
		hostile_smash();
		break;
	case HOSTILE_INVALID:
		__asm__ volatile("ud2");
		break;
	case HOSTILE_BREAKPOINT:
		__asm__ volatile("int3");
		break;
	case HOSTILE_DIVIDE:
		__asm__ volatile("xorl %%ecx, %%ecx; divl %%ecx" ::: "eax", "ecx", "edx");
		break;
	case HOSTILE_JUMP:
		((void (*)(void))csd_0_parameters.cparam2)();
		break;
	case HOSTILE_CONSUMED:
		call->consumed = call->input_bytes + csd_0_parameters.cparam2;
		break;
	case HOSTILE_EMITTED:
		call->emitted = call->out_bytes + csd_0_parameters.cparam2;
		break;
	case HOSTILE_RECORDS:
		call->records = call->input_bytes + csd_0_parameters.cparam2;
		break;
	case HOSTILE_MATCHES:
		call->matches = call->records + csd_0_parameters.cparam2;
		break;
	case HOSTILE_END:
		call->end = 3;
		break;
	case HOSTILE_ANSWERED:
		ring->answered = ring->answered + (uint32_t)csd_0_parameters.cparam2;
		while (hostile_never != 0) {	/* its worker would set that right */
		}
		break;
	case HOSTILE_SEQUENCE:
		ring->requests[ring->answered % CSD_RING_DEPTH].sequence ^= 1;
		break;
	case HOSTILE_SCRIBBLE:
		hostile_scribble(100);
		break;
	case HOSTILE_FORGE:
		hostile_forge(call);
		break;
	case HOSTILE_SYSTEM_CALL:
		csd_0_state[4] = (uint64_t)hostile_system_call((long)csd_0_parameters.cparam2, 0, 0, 0);
		break;
	case HOSTILE_FUTEX:
		csd_0_state[4] = (uint64_t)hostile_system_call(202, (long)&ring->asked, (long)csd_0_parameters.cparam2, 1);
		break;
	case HOSTILE_OLD_SYSTEM_CALL:
		__asm__ volatile("int $0x80" : : "a"(csd_0_parameters.cparam2), "b"(0) : "memory");
		break;
	case HOSTILE_KEEP:
		/* In the program's data, which each run begins anew, and in what no run does: the worker's own memory. */
		csd_0_state[100] = csd_0_parameters.cparam2;
		*(volatile uint64_t *)((uint64_t)__builtin_frame_address(0) - 16384) = csd_0_parameters.cparam2;
		break;
	case HOSTILE_FIND:
		csd_0_state[4] = csd_0_state[100];
		csd_0_state[5] = *(volatile uint64_t *)((uint64_t)__builtin_frame_address(0) - 16384);
		break;
	case HOSTILE_LINES:
		hostile_lines(call, csd_0_parameters.cparam2);
		break;
	case HOSTILE_LAST_LINES:
		hostile_lines(call, csd_0_parameters.cparam2);
		*(volatile uint8_t *)0x1234;
		break;
	case HOSTILE_TRACED:
		call->traced = csd_0_parameters.cparam2;
		break;
	default:
		break;
	}
}
