/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What hostile.c does for its first parameter; the second says with what. */
#ifndef HOSTILE_H
#define HOSTILE_H

#define HOSTILE_GIVEN	0x1234567890abcdefULL	/* how its data begin */

enum hostile {
	HOSTILE_NOT,		/* sums its input into state[0]; emits that; parameter, data and its runs in state[1] to [3] */
	HOSTILE_READ,		/* a byte at that address */
	HOSTILE_WRITE,
	HOSTILE_LOOP,
	HOSTILE_RECURSE,
	HOSTILE_STACK,		/* a GiB of it */
	HOSTILE_SMASH,		/* its return address */
	HOSTILE_INVALID,	/* instruction */
	HOSTILE_BREAKPOINT,
	HOSTILE_DIVIDE,		/* by zero */
	HOSTILE_JUMP,		/* there */
	HOSTILE_CONSUMED,	/* so much more than there was; and likewise: */
	HOSTILE_EMITTED,
	HOSTILE_RECORDS,
	HOSTILE_MATCHES,
	HOSTILE_END,		/* in a way that there is not */
	HOSTILE_ANSWERED,	/* so many more requests than there were */
	HOSTILE_SEQUENCE,	/* another request than it was given */
	HOSTILE_SCRIBBLE,	/* all over the ring */
	HOSTILE_FORGE,		/* answers by itself, and changes that for ever */
	HOSTILE_SYSTEM_CALL,	/* of that number */
	HOSTILE_FUTEX,		/* with that operation */
	HOSTILE_OLD_SYSTEM_CALL,	/* of that number, by int 0x80 */
	HOSTILE_KEEP,		/* that number, where it might last */
	HOSTILE_FIND,		/* it, into state[4] and [5] */
	HOSTILE_LINES,		/* writes so many bytes of 'x' where lines go, and says so */
	HOSTILE_LAST_LINES,	/* the same, and then a fault */
	HOSTILE_TRACED,		/* says that it wrote so many, and wrote none */
};

#endif
