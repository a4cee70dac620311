/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What the drive does for a program: csd_helper.c has the numbers, csd_bpf.h says what each gives. */

/* --- memory: byte by byte it would be slow, and a library's functions are not there --- */

static inline u64
csd_memcmp(u64 a, u64 b, u64 bytes)
{
	for (; bytes >= 8; a += 8, b += 8, bytes -= 8) {
		u64 x = LOAD(m64, a), y = LOAD(m64, b);

		if (x != y) {
			return __builtin_bswap64(x) < __builtin_bswap64(y) ? -1ULL : 1;
		}
	}
	for (; bytes > 0; a++, b++, bytes--) {
		if (LOAD(m8, a) != LOAD(m8, b)) {
			return LOAD(m8, a) < LOAD(m8, b) ? -1ULL : 1;
		}
	}
	return 0;
}

static inline u64
csd_memcpy(u64 to, u64 from, u64 bytes)
{
	u64 at = 0;

	for (; bytes - at >= 8; at += 8) {
		STORE(m64, to + at, LOAD(m64, from + at));
	}
	for (; at < bytes; at++) {
		STORE(m8, to + at, LOAD(m8, from + at));
	}
	return to;
}

static inline u64
csd_memmove(u64 to, u64 from, u64 bytes)
{
	if (to - from >= bytes) {
		return csd_memcpy(to, from, bytes);
	}
	for (; bytes >= 8; bytes -= 8) {
		STORE(m64, to + bytes - 8, LOAD(m64, from + bytes - 8));
	}
	for (; bytes > 0; bytes--) {
		STORE(m8, to + bytes - 1, LOAD(m8, from + bytes - 1));
	}
	return to;
}

static inline u64
csd_memset(u64 to, u64 value, u64 bytes)
{
	u64 word = (u8)value * 0x0101010101010101ULL, at = 0;

	for (; bytes - at >= 8; at += 8) {
		STORE(m64, to + at, word);
	}
	for (; at < bytes; at++) {
		STORE(m8, to + at, word);
	}
	return to;
}

/* As Linux has it: -1, 0 or 1. */
static inline u64
csd_strncmp(u64 a, u64 bytes, u64 b)
{
	for (u32 at = 0; at < (u32)bytes; at++) {
		u8 x = LOAD(m8, a + at), y = LOAD(m8, b + at);

		if (x != y) {
			return x < y ? -1ULL : 1;
		}
		if (x == 0) {
			break;
		}
	}
	return 0;
}

/* --- of the call at hand --- */

static u64 csd_now;

static inline u64
csd_ktime_get_ns(void)
{
	return csd_now;
}

/* Where csd_emit() puts what it is given. Outside of a call there is no room. */
static struct csd_output {
	u64 at, room;
	u64 items;
	u64 full;		/* an item had no room: no other gets any, or they would come out without it */
} csd_output;

static inline u64
csd_emit(u64 from, u64 bytes)
{
	if (csd_output.full != 0 || bytes > csd_output.room) {
		csd_output.full = 1;
		return -28ULL;	/* ENOSPC */
	}
	csd_memcpy(csd_output.at, from, bytes);
	csd_output.at += bytes;
	csd_output.room -= bytes;
	csd_output.items++;
	return 0;
}

CSD_COPY void
csd_begin(const struct csd_call *call)
{
	csd_now = call->now;
	csd_output = (struct csd_output) {.at = call->out, .room = call->out_bytes};
	csd_trace = (struct csd_trace) {.to = call->trace, .room = call->trace_bytes};
}

/* What each call says at its end, whatever the kind. */
CSD_COPY void
csd_end(struct csd_call *call, u64 end)
{
	call->traced = csd_trace.written;
	call->end = end;
}

/* --- those that call back: `back` is the program's csd_ID_back(), so each program has its own --- */

#define CSD_LOOP_TURNS	(1U << 23)	/* Linux's limit */

#define CSD_LOOP(name, back) \
CSD_COPY u64 \
name(u64 turns, u64 function, u64 context, u64 flags) \
{ \
	if (flags != 0) { \
		return -22ULL;	/* EINVAL */ \
	} \
	if ((u32)turns > CSD_LOOP_TURNS) { \
		return -7ULL;	/* E2BIG */ \
	} \
	for (u32 at = 0; at < (u32)turns; at++) { \
		if ((u32)back(function, at, context, 0, 0) != 0) { \
			return at + 1; \
		} \
	} \
	return (u32)turns; \
}
