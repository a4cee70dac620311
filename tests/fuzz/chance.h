/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Chances that are the same for the same seed. A stream has its own, so that it can be run again alone. */
#ifndef FUZZ_CHANCE_H
#define FUZZ_CHANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the chances of what is at work go on; set by who begins something, and kept by who goes on with it later. */
extern uint64_t chance;

/* Where those of a stream begin. */
uint64_t chance_of(uint64_t seed, uint64_t stream);
uint64_t draw(void);
uint32_t below(uint32_t limit);
bool one_in(uint32_t n);
/* A value that is likely to lie at some border. */
uint32_t border(void);
void fill(void *bytes, size_t length);

#define one_of(array) ((array)[below(sizeof(array) / sizeof((array)[0]))])

#endif
