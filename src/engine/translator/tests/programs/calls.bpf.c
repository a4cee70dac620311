/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Linux's helpers: loops over functions that the record chooses, a loop in a loop, comparison, time. */
#include "csd_bpf.h"

struct request {
	__u8 turns;
	__u8 what;
	__u8 split;
	char text[29];
};

struct results {
	__u64 sum;
	__u64 turns;
	__u64 orders[3];
	__u64 refused[2];
	__u64 now;
};

CSD_RECORD_STATE(struct request, sizeof(struct request), CSD_EMIT_NOTHING, struct results);

struct sum {
	const struct request *request;
	__u64 of;
};

static long
add(__u32 turn, void *context)
{
	struct sum *sum = context;

	sum->of = sum->of * 31 + sum->request->text[turn % sizeof(sum->request->text)] + turn;
	return 0;
}

/* By a name that others could use: clang relocates it another way. */
long until(__u32 turn, void *context);
long
until(__u32 turn, void *context)
{
	struct sum *sum = context;

	sum->of += turn;
	return sum->request->text[turn % sizeof(sum->request->text)] < -100;
}

static long
outer(__u32 turn, void *context)
{
	struct sum *sum = context;

	return bpf_loop(turn & 7, until, sum, 0) == 5;
}

CSD_PROGRAM
int calls(const struct request *request)
{
	struct sum sum = {.request = request, .of = csd_state.sum};
	void *function = request->what & 1 ? (void *)add : request->what & 2 ? (void *)until : (void *)outer;
	/* Behind its end a text is not looked at. */
	long order = bpf_strncmp(request->text, request->split & 7, request->split & 8 ? "\x7f" "word" : "\0word");

	csd_state.turns += bpf_loop(request->turns, function, &sum, 0);
	csd_state.turns += bpf_loop(3, add, &sum, 0);
	csd_state.sum = sum.of;
	csd_state.orders[order < 0 ? 0 : order > 0 ? 1 : 2]++;
	if (request->what == 200)
		csd_state.refused[0] += bpf_loop(request->turns, add, &sum, 1);
	if (request->what > 250)
		csd_state.refused[1] += bpf_loop(8388609, add, &sum, 0);
	csd_state.now += bpf_ktime_get_ns();
	return CSD_DROP;
}
