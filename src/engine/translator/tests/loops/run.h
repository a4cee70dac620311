/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A loop (loop.h), run by who has its library open: translated, or natively. */
#ifndef RUN_H
#define RUN_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

#include "csd_bpf.h"
#include "csd_call.h"

struct loop {
	void (*call)(struct csd_call *call);		/* translated; NULL: it is the native one */
	int (*function)(struct csd_context *context);
	const uint64_t *state;
};

/* False: dlerror() says what is missing. */
static inline bool
loop_open(struct loop *loop, void *library, const char *name, bool native)
{
	loop->call = native ? NULL : (void (*)(struct csd_call *))dlsym(library, "csd_0_call");
	loop->function = native ? (int (*)(struct csd_context *))dlsym(library, name) : NULL;
	loop->state = (const uint64_t *)dlsym(library, native ? "csd_state" : "csd_0_state");
	return loop->state != NULL && (native ? loop->function != NULL : loop->call != NULL);
}

/* What it found. `out` has as many bytes as the data. */
static inline uint64_t
loop_run(const struct loop *loop, const uint8_t *data, uint64_t bytes, uint8_t *out)
{
	if (loop->call != NULL) {
		struct csd_call_range range = {.address = (uint64_t)out, .bytes = bytes};
		struct csd_call call = {
			.input = (uint64_t)data, .input_bytes = bytes, .flags = CSD_CALL_FIRST | CSD_CALL_LAST, .ranges = (uint64_t)&range,
			.range_count = 1,
		};

		loop->call(&call);
	} else {
		struct csd_range range = {.begin = out, .bytes = bytes};
		struct csd_context context = {
			.begin = data, .end = data + bytes, .flags = CSD_FIRST | CSD_LAST, .ranges = &range, .range_count = 1,
			.consumed = bytes,
		};

		loop->function(&context);
	}
	return *loop->state;
}

#endif
