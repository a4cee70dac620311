/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Stands at the head of each translated program (csd_emit.c), which includes no other file: a compiler that is shut in
 * needs none. csd_call.h and the other csd_prelude_*.h follow it, as translator.mk says. Nothing here or behind it may be
 * undefined behaviour of C for a program that keeps to its memory.
 */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "programs are little endian, and so is what they run on"
#endif

typedef __UINT8_TYPE__ u8;
typedef __UINT16_TYPE__ u16;
typedef __UINT32_TYPE__ u32;
typedef __UINT64_TYPE__ u64;
typedef __INT8_TYPE__ s8;
typedef __INT16_TYPE__ s16;
typedef __INT32_TYPE__ s32;
typedef __INT64_TYPE__ s64;
typedef u64 uint64_t;	/* as csd_call.h says it */

/* What a program's addresses point at may have any type and lie anywhere. */
#define CSD_ANYWHERE	__attribute__((may_alias, aligned(1)))
typedef u8 CSD_ANYWHERE m8;
typedef u16 CSD_ANYWHERE m16;
typedef u32 CSD_ANYWHERE m32;
typedef u64 CSD_ANYWHERE m64;
typedef u32 __attribute__((may_alias)) a32;
typedef u64 __attribute__((may_alias)) a64;

/* Seen from outside, and yet not replaceable from there: calls and addresses stay direct. */
#define CSD_EXPORT	__attribute__((visibility("protected"), used))
#define CSD_AREA	__attribute__((visibility("protected"), used, aligned(64)))
/* Maps that outlive a run: csd_blob.ld knows them by their section. */
#define CSD_KEPT	__attribute__((section(".bss.csd_kept")))

/* What each program has a copy of, made for it: gcc knows the arguments. */
#define CSD_COPY	static inline __attribute__((always_inline))

/* A program that broke a rule ends here, by a signal. */
#define csd_fault()	__builtin_trap()

#define ADDRESS(register, offset)	((u64)(register) + (u64)(s64)(offset))
#define LOAD(type, address)		(*(const type *)(address))
#define STORE(type, address, value)	(*(type *)(address) = (type)(value))

/* RFC 9669, section 4.1: by zero, a quotient is 0 and a remainder what was divided; the least number by -1 wraps. */
static inline u64 csd_div64(u64 a, u64 b) { return b != 0 ? a / b : 0; }
static inline u64 csd_mod64(u64 a, u64 b) { return b != 0 ? a % b : a; }
static inline u64 csd_div32(u32 a, u32 b) { return b != 0 ? a / b : 0; }
static inline u64 csd_mod32(u32 a, u32 b) { return b != 0 ? a % b : a; }
static inline u64 csd_sdiv64(u64 a, u64 b) { return b == 0 ? 0 : b == -1ULL ? 0 - a : (u64)((s64)a / (s64)b); }
static inline u64 csd_smod64(u64 a, u64 b) { return b == 0 ? a : b == -1ULL ? 0 : (u64)((s64)a % (s64)b); }
static inline u64 csd_sdiv32(u32 a, u32 b) { return b == 0 ? 0 : b == -1U ? (u32)(0 - a) : (u32)((s32)a / (s32)b); }
static inline u64 csd_smod32(u32 a, u32 b) { return b == 0 ? a : b == -1U ? 0 : (u32)((s32)a % (s32)b); }

/* Atomics: at an address that is no multiple of their width they would not be atomic. */
static inline a32 *
csd_aligned32(u64 address)
{
	if ((address & 3) != 0) {
		csd_fault();
	}
	return (a32 *)address;
}

static inline a64 *
csd_aligned64(u64 address)
{
	if ((address & 7) != 0) {
		csd_fault();
	}
	return (a64 *)address;
}

#define CSD_ATOMIC(bits, builtin, address, value) \
	(u64)__atomic_##builtin(csd_aligned##bits(address), (u##bits)(value), __ATOMIC_SEQ_CST)

/* The value that was there, whether it was the expected one or not. */
static inline u64
csd_compare_exchange32(u64 address, u32 expected, u32 value)
{
	__atomic_compare_exchange_n(csd_aligned32(address), &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return expected;
}

static inline u64
csd_compare_exchange64(u64 address, u64 expected, u64 value)
{
	__atomic_compare_exchange_n(csd_aligned64(address), &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return expected;
}

/*
 * What gives the old value is a loop, and it is written here: gcc 12.2's own __atomic_fetch_or() and its like lose their
 * operand when it ends up in the same register as the result; so does __atomic_add_fetch(), which gcc makes of
 * __atomic_fetch_add() and an addition (seen by test_conformance at -O1, by test_generated at -O3).
 */
#define CSD_FETCH(bits, name, operator) \
static inline u64 \
csd_fetch_##name##bits(u64 address, u##bits value) \
{ \
	a##bits *word = csd_aligned##bits(address); \
	u##bits old = __atomic_load_n(word, __ATOMIC_RELAXED); \
\
	while (!__atomic_compare_exchange_n(word, &old, old operator value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) { \
	} \
	return old; \
}
CSD_FETCH(32, add, +)
CSD_FETCH(32, or, |)
CSD_FETCH(32, and, &)
CSD_FETCH(32, xor, ^)
CSD_FETCH(64, add, +)
CSD_FETCH(64, or, |)
CSD_FETCH(64, and, &)
CSD_FETCH(64, xor, ^)
