/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What the whole run knows: whom it talks to, what it has seen, and how it ends. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stdint.h>

#define ANSWER_S	60	/* generous: a target that others keep from its core is slow, not wrong */
#define MAX_PROGRAMS	16

/* A subsystem, and a host that it lets in. */
struct place {
	uint16_t port;
	const char *subnqn, *hostnqn;
};

struct fuzz {
	/* Mutated commands of a host that keeps to the transport: what it leaves there is looked at afterwards. */
	struct place commands;
	/* Mutated PDUs of everybody. */
	struct place open;
	/* Whose data must not come back to anybody else. */
	struct place secret;
	struct {
		uint8_t *bytes;
		uint32_t length;
	} program[MAX_PROGRAMS];
	uint32_t programs;
	uint64_t seed, stream;
	bool verbose;
	/* what happened */
	struct {
		uint64_t streams[4];	/* by enum kind */
		uint64_t commands, succeeded, refused, connections, cut, lost, stalled, first_halves;
		uint64_t pdus, terminated, turned_away, looked_at, planted;
		uint64_t status[8][256];
	} seen;
};

enum kind { KIND_HOST, KIND_STRANGER, KIND_DISCOVERY, KIND_GUEST };

extern struct fuzz fuzz;

/* Ends the run as failed; says which stream it was, and how to run that again. */
void give_up(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* Where a failure belongs to an older stream than the one at work. */
void give_up_of(uint64_t stream, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));
void count_status(uint16_t status);

#endif
