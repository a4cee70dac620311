/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* A B+ tree in memory, as csd_programs.h has it: for the test and the bench. */
#ifndef SAMPLE_BTREE_H
#define SAMPLE_BTREE_H

#include <stdbool.h>
#include <stdint.h>

/* Keys: SAMPLE_BTREE_FIRST, and from there in steps of SAMPLE_BTREE_STEP; each key's value is its square. */
#define SAMPLE_BTREE_FIRST	1000
#define SAMPLE_BTREE_STEP	10

/*
 * Builds one of so many entries in so many bytes, its pages in any order and as full as chance has it, if `sparse`. Returns the
 * root's offset. Ends the process if they do not fit.
 */
uint64_t sample_btree(uint8_t *range, uint64_t range_bytes, uint32_t page_bytes, uint64_t entries, bool sparse);

#endif
