/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What a process gives up before it does what a stranger wants. Each layer is one function and needs none of the others,
 * but that privileges go first: the kernel takes files and calls from an unprivileged process only then. None of it can
 * be taken back, and all of it holds for what the process starts.
 *
 *	struct csd_confined confined = {0};
 *
 *	rc = csd_confine_privileges(&confined);
 *	rc = rc != 0 ? rc : csd_confine_descriptors(&confined, 3);
 *	rc = rc != 0 ? rc : csd_confine_files(&confined, paths, count);
 *	rc = rc != 0 ? rc : csd_confine_calls(&confined, &calls);
 *
 * 0 or -errno. Which layers stand is noted in csd_confined; a kernel without one of them gives -EOPNOTSUPP, and the caller
 * says whether it goes on.
 */
#ifndef CSD_CONFINE_H
#define CSD_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum csd_layer {
	CSD_LAYER_PRIVILEGES,	/* no_new_privs */
	CSD_LAYER_CAPABILITIES,	/* none, for root too */
	CSD_LAYER_DESCRIPTORS,
	CSD_LAYER_FILES,	/* Landlock */
	CSD_LAYER_TCP,		/* Landlock since ABI 4 */
	CSD_LAYER_SIGNALS,	/* Landlock since ABI 6 */
	CSD_LAYER_CALLS,	/* seccomp */
	CSD_LAYERS,
};

struct csd_confined {
	bool stands[CSD_LAYERS];
	int landlock_abi;	/* of this kernel; 0: none */
};

/* Gives up every capability, and that an exec could bring any back. */
int csd_confine_privileges(struct csd_confined *confined);

/* Closes all descriptors from `first` on: what is kept lies below it. */
int csd_confine_descriptors(struct csd_confined *confined, int first);

/* To files and folders below a path, or to one file. A path that does not exist gives nothing. */
#define CSD_CONFINE_READ	0x1	/* files and lists of them */
#define CSD_CONFINE_RUN		0x2
#define CSD_CONFINE_WRITE	0x4	/* and make, and remove, plain files */

struct csd_confine_path {
	const char *path;
	unsigned int rights;
};

/*
 * No file but these, as far as opening, making, removing, renaming and running goes. Not what a path alone tells or
 * changes (stat, chmod): that is for csd_confine_calls(). Where the kernel can: no TCP port, and no signal and no
 * connection by an abstract name to a process outside.
 */
int csd_confine_files(struct csd_confined *confined, const struct csd_confine_path *paths, size_t count);

/* When a rule fits. It sees the lower 32 bits of one argument. */
enum csd_confine_test {
	CSD_CONFINE_ALWAYS,
	CSD_CONFINE_EQUAL,	/* the argument is the value */
	CSD_CONFINE_ANY_BIT,	/* the argument has one of the value's bits */
};

struct csd_confine_call {
	uint32_t number;	/* SYS_... */
	uint32_t action;	/* SECCOMP_RET_... */
	enum csd_confine_test test;
	uint32_t argument;	/* 0 to 5 */
	uint32_t value;
};

/* The first that fits counts. Calls of another architecture (i386, x32) kill the process. */
struct csd_confine_calls {
	const struct csd_confine_call *calls;
	size_t count;
	uint32_t otherwise;	/* SECCOMP_RET_... */
};

/*
 * Several, one after the other, hold together: the strictest answer counts. -E2BIG: more than a filter can hold; -EINVAL: a
 * rule that can never fit.
 */
int csd_confine_calls(struct csd_confined *confined, const struct csd_confine_calls *calls);

/* "no_new_privs, no capabilities, ...; missing: Landlock's TCP (its ABI here is 3, 4 is needed)". At most `room` bytes. */
void csd_confine_words(const struct csd_confined *confined, char *text, size_t room);

/* Those that are not among `layers` (a bit for each enum csd_layer): "TCP by Landlock, signals by Landlock"; empty: none. */
void csd_confine_missing(uint32_t layers, char *text, size_t room);

#endif
