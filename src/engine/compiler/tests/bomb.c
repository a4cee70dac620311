/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Programs that are cheap to write and costly to compile, and such of which one instruction is known, in eBPF's assembly:
 *	bomb jumps N	N instructions, each second one a jump to anywhere
 *	bomb switch N	one of N cases
 *	bomb deep N	one expression of N operations
 *	bomb zeros N	N MiB of constants
 *	bomb fault N	the Nth instruction, counted from 0, loads from address 64
 *	bomb copy N	the Nth calls memcpy of 64 bytes from address 64 to address 128; N is 4 or more
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"

/* What a compiler knows nothing about: words of the context. */
static void
bomb_unknown(void)
{
	puts("r2 = *(u64 *)(r1 + 16)\nr3 = *(u64 *)(r1 + 24)\nr4 = *(u64 *)(r1 + 40)\nr5 = *(u64 *)(r1 + 48)");
}

static void
bomb_jumps(unsigned int count)
{
	static const char *const compared[] = {">", "<", "==", "!=", "s>", "s<="};

	bomb_unknown();
	for (unsigned int i = 0; i + 1 < count; i++) {
		unsigned int a = below(6), b = below(6);

		printf(".L%u: ", i);
		if (i % 2 == 0) {
			printf("r%u += r%u\n", a, b);
		} else {
			printf("if r%u %s r%u goto .L%u\n", a, compared[below(6)], b, (unsigned int)below(count - 1));
		}
	}
}

static void
bomb_switch(unsigned int cases)
{
	bomb_unknown();
	for (unsigned int i = 0; i < cases; i++) {
		printf("if r2 == %u goto .L%u\n", i * 7, i);
	}
	for (unsigned int i = 0; i < cases; i++) {
		printf(".L%u: r0 += %u\n", i, i * i);
	}
}

static void
bomb_deep(unsigned int operations)
{
	static const char *const operators[] = {"+=", "*=", "^=", "-=", ">>=", "|="};

	bomb_unknown();
	for (unsigned int i = 0; i < operations; i++) {
		printf("r0 %s r%u\n", operators[below(6)], 2 + (unsigned int)below(3));
	}
	puts("*(u64 *)(r1 + 64) = r0");	/* all of it counts */
}

static void
bomb_zeros(unsigned int megabytes)
{
	bomb_unknown();
	printf("r1 = zeros ll\nr1 += r2\nr0 = *(u64 *)(r1 + 0)\n");
	printf(".section .rodata.zeros,\"a\",@nobits\n.globl zeros\n.type zeros,@object\nzeros: .zero %u\n.size zeros, %u\n"
	       ".section csd/buffer\n", megabytes << 20, megabytes << 20);
}

static void
bomb_at(unsigned int number, const char *instruction)
{
	puts("r1 = 128\nr2 = 64\nr3 = 64");
	for (unsigned int i = 4; i < number; i++) {
		puts(i % 2 == 0 ? "r0 += 5" : "r0 *= 3");
	}
	puts(instruction);
}

int
main(int argc, char **argv)
{
	unsigned int count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

	chance_begin(1, count);
	puts(".section csd/buffer,\"ax\",@progbits\n.globl bomb\n.type bomb,@function\nbomb:\nr0 = 0");
	if (count == 0) {
		fputs("usage: bomb jumps|switch|deep|zeros|fault|copy NUMBER\n", stderr);
		return 2;
	} else if (strcmp(argv[1], "jumps") == 0) {
		bomb_jumps(count);
	} else if (strcmp(argv[1], "switch") == 0) {
		bomb_switch(count);
	} else if (strcmp(argv[1], "deep") == 0) {
		bomb_deep(count);
	} else if (strcmp(argv[1], "zeros") == 0) {
		bomb_zeros(count);
	} else if (strcmp(argv[1], "fault") == 0) {
		bomb_at(count, "r0 = *(u64 *)(r2 + 0)");
	} else {
		bomb_at(count, "call 65537");
	}
	puts("exit\n.size bomb, .-bomb");
	return 0;
}
