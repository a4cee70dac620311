/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The pattern that another host's data consist of, and the look for it in whatever the target sends. */
#ifndef FUZZ_SECRET_H
#define FUZZ_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What AddressSanitizer fills fresh memory of the heap with (malloc_fill_byte): a run of it in an answer is memory that
 * the target sent without having written to it.
 */
#define HEAP_FILL	0xbe

void secret_init(uint64_t seed);
void secret_fill(void *bytes, size_t length);
/* Where such bytes begin, fresh memory of the heap included; -1: nowhere. 11 of them in a row are found anywhere. */
int64_t secret_find(const void *bytes, size_t length, bool heap);

#endif
