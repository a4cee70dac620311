/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What the tests in C share: checks that say what they found, programs as instructions, files. */
#ifndef TEST_H
#define TEST_H

#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csd_code.h"

#define CHECK(condition, format, ...) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: %s: " format "\n", __FILE__, __LINE__, #condition, ##__VA_ARGS__); \
		exit(1); \
	} \
} while (0)

#define CHECK_EQUAL(found, wanted) do { \
	long long found_ = (long long)(found), wanted_ = (long long)(wanted); \
	CHECK(found_ == wanted_, #found " is %lld, not %lld", found_, wanted_); \
} while (0)

/* Instructions, as the kernel's documentation writes them. */
#define INSN(c, d, s, o, i)	{.code = (c), .dst = (d), .src = (s), .off = (o), .imm = (i)}
#define MOV(d, i)		INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOVR(d, s)		INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOVR32(d, s)		INSN(BPF_ALU | BPF_MOV | BPF_X, d, s, 0, 0)
#define ALU(op, d, i)		INSN(BPF_ALU64 | (op) | BPF_K, d, 0, 0, i)
#define ALUR(op, d, s)		INSN(BPF_ALU64 | (op) | BPF_X, d, s, 0, 0)
#define LOAD(size, d, s, o)	INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, o, s)	INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define STOREI(size, d, o, i)	INSN(BPF_ST | BPF_MEM | (size), d, 0, o, i)
#define JUMP(o)			INSN(BPF_JMP | BPF_JA, 0, 0, o, 0)
#define IF(op, d, i, o)		INSN(BPF_JMP | (op) | BPF_K, d, 0, o, i)
#define IFR(op, d, s, o)	INSN(BPF_JMP | (op) | BPF_X, d, s, o, 0)
#define EXIT			INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define LD64(d, low, high)	INSN(BPF_LD | BPF_IMM | BPF_DW, d, 0, 0, low), INSN(0, 0, 0, 0, high)
#define PARAMETERS_AT(d, o)	INSN(BPF_LD | BPF_IMM | BPF_DW, d, CSD_EXTERN, 0, CSD_EXTERN_PARAMETERS), INSN(0, 0, 0, 0, o)
#define STATE_AT(d, o)		INSN(BPF_LD | BPF_IMM | BPF_DW, d, CSD_EXTERN, 0, CSD_EXTERN_STATE), INSN(0, 0, 0, 0, o)

struct file {
	uint8_t *bytes;
	size_t length;
};

static inline struct file
read_whole(const char *path)
{
	FILE *stream = fopen(path, "rb");
	struct file file;

	CHECK(stream != NULL, "%s", path);
	fseek(stream, 0, SEEK_END);
	file.length = ftell(stream);
	rewind(stream);
	file.bytes = malloc(file.length);
	CHECK(fread(file.bytes, 1, file.length, stream) == file.length, "%s", path);
	fclose(stream);
	return file;
}

#endif
