/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Inputs as programs meet them, of a length, the same each time: for the tests and the bench. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <stdint.h>

/* Bytes of any value, many of them small. */
void sample_numbers(uint8_t *to, uint64_t bytes);

#endif
