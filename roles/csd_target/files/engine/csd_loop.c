/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <string.h>
#include <sys/mman.h>

#include "csd_loop.h"

#if defined(__x86_64__)

#define EXIT		0x95
#define RET		0xc3
#define MAX_FRAME	1024	/* of the loop's own code: some 130 bytes and 17 for each 16 bytes of a record that is copied */
#define MAX_COPY	256	/* longer records are copied by memcpy, in the loop in C */

/*
 * Registers: rbx record, r12 left, r13 out, r14 matches, all of which a function keeps; on the stack the cursor. The
 * program takes its record in rdi and returns its verdict in rax.
 */
struct writer {
	uint8_t *start;
	uint8_t *at;
};

static void
put(struct writer *writer, const void *bytes, size_t count)
{
	memcpy(writer->at, bytes, count);
	writer->at += count;
}

static void
put_32(struct writer *writer, uint32_t value)
{
	put(writer, &value, sizeof(value));
}

#define PUT(writer, ...)	put(writer, (const uint8_t[]) {__VA_ARGS__}, sizeof((const uint8_t[]) {__VA_ARGS__}))

/* The distance of a jump, 32 bits wide, that is about to be written here. */
static void
put_distance(struct writer *writer, const uint8_t *to)
{
	put_32(writer, (uint32_t)(to - (writer->at + 4)));
}

static void
set_distance(uint8_t *at, const uint8_t *to)
{
	uint32_t distance = (uint32_t)(to - (at + 4));

	memcpy(at, &distance, sizeof(distance));
}

/* Then the program's only return is its last byte, and without that it goes on behind itself. */
static bool
ends_with_only_exit(const struct csd_code *code, const uint8_t *program, size_t program_bytes)
{
	uint32_t exits = 0;

	for (uint32_t i = 0; i < code->count; i++) {
		if (code->insns[i].code == 0x18) {
			i++;
		} else if (code->insns[i].code == EXIT) {
			exits++;
		}
	}
	return exits == 1 && code->insns[code->count - 1].code == EXIT && program[program_bytes - 1] == RET;
}

static void
put_copy(struct writer *writer, uint32_t record_bytes)
{
	for (uint32_t offset = 0; offset < record_bytes; offset += 16) {
		PUT(writer, 0xf3, 0x0f, 0x6f, 0x83);		/* movdqu offset(%rbx), %xmm0 */
		put_32(writer, offset);
		PUT(writer, 0xf3, 0x41, 0x0f, 0x7f, 0x85);	/* movdqu %xmm0, offset(%r13) */
		put_32(writer, offset);
	}
	PUT(writer, 0x49, 0x81, 0xc5);				/* add $record_bytes, %r13 */
	put_32(writer, record_bytes);
}

static void
put_loop(struct writer *writer, const struct csd_code *code, const uint8_t *program, size_t program_bytes,
	 uint32_t prefetch_bytes)
{
	const struct csd_geometry *geometry = &code->geometry;
	uint8_t *top, *call = NULL, *drop, *done;

	PUT(writer, 0x53);					/* push %rbx */
	PUT(writer, 0x41, 0x54);				/* push %r12 */
	PUT(writer, 0x41, 0x55);				/* push %r13 */
	PUT(writer, 0x41, 0x56);				/* push %r14 */
	PUT(writer, 0x57);					/* push %rdi */
	PUT(writer, 0x48, 0x8b, 0x1f);				/* mov 0(%rdi), %rbx */
	PUT(writer, 0x4c, 0x8b, 0x67, 0x08);			/* mov 8(%rdi), %r12 */
	PUT(writer, 0x4c, 0x8b, 0x6f, 0x10);			/* mov 16(%rdi), %r13 */
	PUT(writer, 0x4c, 0x8b, 0x77, 0x18);			/* mov 24(%rdi), %r14 */

	while ((writer->at - writer->start) % 32 != 0) {
		PUT(writer, 0x90);
	}
	top = writer->at;
	PUT(writer, 0x0f, 0x18, 0x8b);				/* prefetcht0 prefetch_bytes(%rbx) */
	put_32(writer, prefetch_bytes);
	PUT(writer, 0x48, 0x89, 0xdf);				/* mov %rbx, %rdi */
	if (ends_with_only_exit(code, program, program_bytes)) {
		put(writer, program, program_bytes - 1);
	} else {
		PUT(writer, 0xe8);				/* call program */
		call = writer->at;
		put_32(writer, 0);
	}

	if (geometry->emit == CSD_EMIT_RECORD) {
		PUT(writer, 0xa8, CSD_KEEP);			/* test $CSD_KEEP, %al */
		PUT(writer, 0x0f, 0x84);			/* jz drop */
		drop = writer->at;
		put_32(writer, 0);
		PUT(writer, 0x49, 0xff, 0xc6);			/* inc %r14 */
		put_copy(writer, geometry->record_bytes);
		set_distance(drop, writer->at);
	} else {
		PUT(writer, 0x89, 0xc1);			/* mov %eax, %ecx */
		PUT(writer, 0x83, 0xe1, CSD_KEEP);		/* and $CSD_KEEP, %ecx */
		PUT(writer, 0x49, 0x01, 0xce);			/* add %rcx, %r14 */
	}
	PUT(writer, 0x48, 0x81, 0xc3);				/* add $stride_bytes, %rbx */
	put_32(writer, geometry->stride_bytes);
	PUT(writer, 0x49, 0xff, 0xcc);				/* dec %r12 */
	PUT(writer, 0xa8, CSD_STOP);				/* test $CSD_STOP, %al */
	PUT(writer, 0x0f, 0x85);				/* jnz done */
	done = writer->at;
	put_32(writer, 0);
	PUT(writer, 0x4d, 0x85, 0xe4);				/* test %r12, %r12 */
	PUT(writer, 0x0f, 0x85);				/* jnz top */
	put_distance(writer, top);

	set_distance(done, writer->at);
	PUT(writer, 0x5f);					/* pop %rdi */
	PUT(writer, 0x48, 0x89, 0x1f);				/* mov %rbx, 0(%rdi) */
	PUT(writer, 0x4c, 0x89, 0x67, 0x08);			/* mov %r12, 8(%rdi) */
	PUT(writer, 0x4c, 0x89, 0x6f, 0x10);			/* mov %r13, 16(%rdi) */
	PUT(writer, 0x4c, 0x89, 0x77, 0x18);			/* mov %r14, 24(%rdi) */
	PUT(writer, 0x48, 0x89, 0x47, 0x20);			/* mov %rax, 32(%rdi) */
	PUT(writer, 0x41, 0x5e);				/* pop %r14 */
	PUT(writer, 0x41, 0x5d);				/* pop %r13 */
	PUT(writer, 0x41, 0x5c);				/* pop %r12 */
	PUT(writer, 0x5b);					/* pop %rbx */
	PUT(writer, RET);
	if (call != NULL) {
		set_distance(call, writer->at);
		put(writer, program, program_bytes);
	}
}

_Static_assert(offsetof(struct csd_loop_cursor, left) == 8 && offsetof(struct csd_loop_cursor, out) == 16 &&
	       offsetof(struct csd_loop_cursor, matches) == 24 && offsetof(struct csd_loop_cursor, verdict) == 32,
	       "put_loop() knows these places");

void
csd_loop_make(struct csd_loop *loop, const struct csd_code *code, const void *program, size_t program_bytes,
	      uint32_t prefetch_bytes)
{
	const struct csd_geometry *geometry = &code->geometry;
	struct writer writer;
	size_t bytes = MAX_FRAME + program_bytes;
	void *memory;

	*loop = (struct csd_loop) {0};
	if (program == NULL || program_bytes == 0 || (geometry->flags & CSD_POSITIONS) || geometry->emit == CSD_EMIT_OFFSET) {
		return;
	}
	if (geometry->emit == CSD_EMIT_RECORD && (geometry->record_bytes % 16 != 0 || geometry->record_bytes > MAX_COPY)) {
		return;
	}
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		return;
	}
	writer.start = writer.at = memory;
	put_loop(&writer, code, program, program_bytes, prefetch_bytes);
	if (mprotect(memory, bytes, PROT_READ | PROT_EXEC) != 0) {
		munmap(memory, bytes);
		return;
	}
	loop->memory = memory;
	loop->bytes = bytes;
	memcpy(&loop->run, &memory, sizeof(loop->run));
}

#else

void
csd_loop_make(struct csd_loop *loop, const struct csd_code *code, const void *program, size_t program_bytes,
	      uint32_t prefetch_bytes)
{
	(void)code;
	(void)program;
	(void)program_bytes;
	(void)prefetch_bytes;
	*loop = (struct csd_loop) {0};
}

#endif

void
csd_loop_free(struct csd_loop *loop)
{
	if (loop->memory != NULL) {
		munmap(loop->memory, loop->bytes);
	}
}
