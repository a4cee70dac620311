/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * For authors of programs that run inside the drive. A program sees one record at a time and says what becomes of it:
 *
 *	#include "csd_bpf.h"
 *
 *	struct reading { __u64 id; __s64 value; };
 *	struct totals { __u64 seen; };
 *
 *	CSD_RECORD_STATE(struct reading, sizeof(struct reading), CSD_EMIT_RECORD, struct totals);
 *
 *	CSD_PROGRAM
 *	int above(const struct reading *reading)
 *	{
 *		csd_state.seen++;
 *		return reading->value >= (__s64)csd_parameters.cparam1 ? CSD_KEEP : CSD_DROP;
 *	}
 *
 * Compile: clang -O2 -g -target bpf -mcpu=v3 -c above.bpf.c -o above.bpf.o. Loops, functions and data of your own are fine.
 * docs/programs.md says more.
 */
#ifndef CSD_BPF_H
#define CSD_BPF_H

#include <linux/types.h>

/* What a program returns. Any other value counts as its lowest two bits, but for CSD_KEEP_AT(). */
enum csd_verdict {
	CSD_DROP = 0,
	CSD_KEEP = 1,		/* emit the record */
	CSD_STOP = 2,		/* the run ends behind this record */
	CSD_KEEP_AND_STOP = 3,
};

/* What is emitted for a kept record. */
enum csd_emit {
	CSD_EMIT_RECORD = 0,	/* its bytes */
	CSD_EMIT_OFFSET = 1,	/* where it begins: __u64, bytes from the start of the input */
	CSD_EMIT_NOTHING = 2,	/* it only counts: the state is the result */
};

/* Given with the command; the same for all records of a run, but for record_bytes in a CSD_WINDOW program. */
#define CSD_DATA_BYTES	1000
struct csd_parameters {
	__u64 cparam1;
	__u64 cparam2;
	__u32 data_bytes;	/* of data that were given; the rest is zero */
	__u32 record_bytes;	/* of the record at hand; fewer than the geometry's only at the end of a CSD_WINDOW's input */
	__u8 data[CSD_DATA_BYTES];
};
extern const struct csd_parameters csd_parameters;

/* The geometry, in a section of its own: "csd_geometry". */
#define CSD_GEOMETRY_VERSION	1
#define CSD_MAX_RECORD_BYTES	65536
#define CSD_MAX_STATE_BYTES	4096
struct csd_geometry {
	__u32 version;
	__u32 record_bytes;	/* that the program may look at: 1 .. CSD_MAX_RECORD_BYTES */
	__u32 stride_bytes;	/* from one record to the next: 1 .. CSD_MAX_RECORD_BYTES; below record_bytes: a sliding window */
	__u32 state_bytes;	/* 0 .. CSD_MAX_STATE_BYTES */
	__u32 emit;		/* enum csd_emit */
	__u32 flags;		/* CSD_POSITIONS */
	__u32 reserved[2];
};

/*
 * A program that finds positions in a sliding window (only with CSD_EMIT_OFFSET; CSD_WINDOW sets it):
 * - It also sees the windows that begin in the input and end behind it, filled up with zeros: csd_parameters.record_bytes
 *   says how many bytes are the input's. So a match is found wherever it lies, up to the last byte.
 * - CSD_KEEP_AT(n) emits the window's offset + n, n < CSD_MAX_RECORD_BYTES, and the next window begins one byte behind
 *   that place: each match in a window gets its own exact offset. Keep with n beyond the input's bytes counts as drop.
 */
#define CSD_POSITIONS	0x1
#define CSD_KEEP_AT(n)	(CSD_KEEP | (n) << 2)

/* Before a loop with a constant number of turns, for the verifier, which proves no program with a loop. */
#ifdef __clang__
#define CSD_UNROLL	_Pragma("clang loop unroll(full)")
#else
#define CSD_UNROLL	_Pragma("GCC unroll 65534")
#endif

/* Eight bytes at any address; a drive's loads need no alignment, but clang takes eight loads if it is told so. */
#ifdef __bpf__
typedef __u64 __attribute__((may_alias)) csd_word;
#else
typedef __u64 __attribute__((may_alias, aligned(1))) csd_word;
#endif
#define CSD_LOAD_64(address)	(*(const csd_word *)(address))

/* From here on the compiler knows nothing about a variable's value, and does not optimise across this place. */
#define CSD_OPAQUE(variable)	__asm__ volatile("" : "+r"(variable))

/*
 * value & mask, for an index: makes sure that the mask is there when the verifier looks, even where the compiler knows
 * that the value is small enough.
 */
#define CSD_BOUND(value, mask)	({ \
	__u64 csd_bounded = (value); \
	CSD_OPAQUE(csd_bounded); \
	csd_bounded & (mask); \
})

#define CSD_SECTION(name)	__attribute__((section(name), used))

/* Marks the program; one in a file. Its section names the kind. */
#define CSD_PROGRAM	CSD_SECTION("csd/record")

/* A program without state: CSD_RECORD(type, stride, emit). With state: CSD_RECORD_STATE(type, stride, emit, state type). */
#define CSD_RECORD(type, stride, what) \
	const struct csd_geometry csd_program_geometry CSD_SECTION("csd_geometry") = { \
		.version = CSD_GEOMETRY_VERSION, .record_bytes = sizeof(type), .stride_bytes = (stride), .emit = (what), \
	}

#define CSD_RECORD_STATE(type, stride, what, state_type) \
	extern state_type csd_state; \
	const struct csd_geometry csd_program_geometry CSD_SECTION("csd_geometry") = { \
		.version = CSD_GEOMETRY_VERSION, .record_bytes = sizeof(type), .stride_bytes = (stride), \
		.state_bytes = sizeof(state_type), .emit = (what), \
	}

/* A program that finds positions: CSD_WINDOW(type of the window, stride). */
#define CSD_WINDOW(type, stride) \
	const struct csd_geometry csd_program_geometry CSD_SECTION("csd_geometry") = { \
		.version = CSD_GEOMETRY_VERSION, .record_bytes = sizeof(type), .stride_bytes = (stride), \
		.emit = CSD_EMIT_OFFSET, .flags = CSD_POSITIONS, \
	}

/*
 * A program of kind csd/buffer sees the input as it is, part by part:
 *
 *	struct totals { __u64 lines; };
 *
 *	CSD_STATE(struct totals);
 *
 *	CSD_BUFFER_PROGRAM
 *	int lines(struct csd_context *context)
 *	{
 *		context->consumed = 0;
 *		for (const __u8 *at = context->begin; at < context->end; at++) {
 *			if (*at != '\n')
 *				continue;
 *			csd_state.lines++;
 *			context->consumed = at + 1 - context->begin;
 *		}
 *		return 0;
 *	}
 *
 * It says how much of a part it is done with; the next part begins there. So a line that ends behind a part is whole in the
 * next one, which is longer if it must be. It returns 0, or CSD_STOP: the run ends.
 */
#define CSD_BUFFER_PROGRAM	CSD_SECTION("csd/buffer")

/*
 * Of a csd/buffer program: what is handed in and comes back with the command, at most CSD_MAX_STATE_BYTES. All other
 * variables keep their values over the parts of a run, too; they begin each run anew, and nobody sees them.
 */
#define CSD_STATE(type)		type csd_state CSD_SECTION(".csd_state")

/* Memory of the drive that the command named, beside input and output: only to be read, but for CSD_WRITABLE(). */
struct csd_range {
	__u8 *begin;
	__u64 bytes;
};

/*
 * Which of its ranges a csd/buffer program writes to: CSD_WRITABLE(CSD_RANGE(0) | CSD_RANGE(2)), once in a file. It gets a copy
 * of each, of at most CSD_MAX_WRITABLE_BYTES together, that begins at a multiple of 64. When the run has ended well the drive
 * writes the copies back, changed or not; when it ends by a fault, its time or an Abort, nothing of them. Ranges that a command
 * has not are no fault: range_count says.
 */
#define CSD_WRITABLE_VERSION	1
#define CSD_MAX_RANGES		6
#define CSD_MAX_WRITABLE_BYTES	(1024 * 1024)
struct csd_writable {
	__u32 version;
	__u32 ranges;		/* CSD_RANGE() of each */
	__u32 reserved[2];
};
#define CSD_RANGE(number)	(1u << (number))
#define CSD_WRITABLE(which) \
	const struct csd_writable csd_program_writable CSD_SECTION("csd_writable") = { \
		.version = CSD_WRITABLE_VERSION, .ranges = (which), \
	}

struct csd_context {
	const __u8 *begin;	/* the part: from here ... */
	const __u8 *end;	/* ... up to here */
	__u64 offset;		/* of its first byte in the whole input */
	__u64 flags;		/* CSD_FIRST, CSD_LAST */
	const struct csd_range *ranges;
	__u64 range_count;
	const __u8 *data;	/* given with the command: all of it, csd_parameters has but the first bytes */
	__u64 data_bytes;
	__u64 consumed;		/* the program's: bytes it is done with. All, unless it says less; more is a fault */
};

#define CSD_FIRST	0x1	/* part of its run */
#define CSD_LAST	0x2	/* the input ends with this part */

/*
 * What the drive does for a program. Each returns what it does in Linux, where it is from there (bpf-helpers(7)).
 *
 * csd_emit: appends to the output; for csd/buffer, and for csd/record with CSD_EMIT_NOTHING. 0, or negative: there is no
 * room. Then nothing more is taken, and the run pauses behind this call of the program, until the host has taken what there
 * is. A csd/buffer program then says in `consumed` what it wants to see again. A csd/record program sees the same record
 * again, and what it had emitted for it is dropped; so emit before you count.
 *
 * bpf_ktime_get_ns: when the part at hand was handed over, the same for all of it.
 * bpf_loop: at most 8388608 turns.
 * bpf_printk: a line for who looks for the program's faults; up to three arguments. %d %i %u %x %X %c %s %p, with l or ll
 * for 64 bits, a width, and the flags 0 - + and space.
 * bpf_map_..., bpf_for_each_map_elem: maps as libbpf declares them, BPF_MAP_TYPE_HASH and BPF_MAP_TYPE_ARRAY; compile with -g.
 * They are the program's own, like its variables, and empty when a run begins; or its slot's, with CSD_MAP_KEPT.
 *
 *	struct {
 *		__uint(type, BPF_MAP_TYPE_HASH);
 *		__uint(max_entries, 1000);
 *		__uint(map_flags, CSD_MAP_KEPT);
 *		__type(key, __u64);
 *		__type(value, struct group);
 *	} groups CSD_SECTION(".maps");
 */

/*
 * A map that belongs to the slot: a run finds what the one before it left there. It is empty when the program was loaded. What a
 * run does to it counts when the run has ended well; after a fault, its time or an Abort it is as it was. Runs of a slot whose
 * program has such a map follow one another. All of a program take at most CSD_MAX_KEPT_BYTES. A bit that Linux has no use for:
 * its own flags of maps begin at bit 0.
 */
#define CSD_MAP_KEPT		(1u << 30)
#define CSD_MAX_KEPT_BYTES	(1024 * 1024)

#if defined(__bpf__) || defined(CSD_NATIVE)
#ifndef __uint
#define __uint(name, value)	int (*name)[value]
#define __type(name, value)	typeof(value) *name
#endif
#endif
#if defined(__bpf__)
static long (*const csd_emit)(const void *pointer, __u64 bytes) = (void *)65540;
#ifndef __BPF_HELPERS__		/* libbpf's header, which has the others */
static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;
static long (*const bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static __u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static long (*const bpf_trace_printk)(const char *format, __u32 format_bytes, ...) = (void *)6;
static long (*const bpf_for_each_map_elem)(void *map, void *function, void *context, __u64 flags) = (void *)164;
static long (*const bpf_trace_vprintk)(const char *format, __u32 format_bytes, const void *arguments,
				       __u32 argument_bytes) = (void *)177;
static long (*const bpf_loop)(__u32 turns, void *function, void *context, __u64 flags) = (void *)181;
static long (*const bpf_strncmp)(const char *text, __u32 text_bytes, const char *other) = (void *)182;
#endif
#elif defined(CSD_NATIVE)	/* a program that is compiled natively: who links it has them */
extern long csd_emit(const void *pointer, __u64 bytes);
extern void *bpf_map_lookup_elem(void *map, const void *key);
extern long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags);
extern long bpf_map_delete_elem(void *map, const void *key);
extern __u64 bpf_ktime_get_ns(void);
extern long bpf_trace_printk(const char *format, __u32 format_bytes, ...);
extern long bpf_for_each_map_elem(void *map, void *function, void *context, __u64 flags);
extern long bpf_trace_vprintk(const char *format, __u32 format_bytes, const void *arguments, __u32 argument_bytes);
extern long bpf_loop(__u32 turns, void *function, void *context, __u64 flags);
extern long bpf_strncmp(const char *text, __u32 text_bytes, const char *other);
#endif
#ifndef __BPF_HELPERS__
#define bpf_printk(format, ...)	({ \
	static const char csd_format[] = format; \
	bpf_trace_printk(csd_format, sizeof(csd_format), ##__VA_ARGS__); \
})
#endif

#endif
