/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Inputs as programs meet them, of a length, the same each time: for the tests and the bench. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <stdint.h>

/* Bytes of any value. */
void sample_numbers(uint8_t *to, uint64_t bytes);

/* PackBits of a page of text as a fax has it: white, strokes, and noise. */
void sample_packbits(uint8_t *to, uint64_t bytes);

/* {__u64 customer, __s64 amount}: few customers buy much. */
void sample_sales(uint8_t *to, uint64_t bytes);

/* struct csd_lineitem, scale factor 1, as section 4.2.3 of TPC-H's specification has it, but for the comments' words. */
void sample_lineitem(uint8_t *to, uint64_t bytes);

/* A server's log. */
void sample_log(uint8_t *to, uint64_t bytes);

/* Orders as a shop exports them: id,customer,city,amount,date,comment. */
void sample_csv(uint8_t *to, uint64_t bytes);

/* Events: {"ts":..., "level":..., "user":{"id":..., "name":...}, "tags":[...], "value":...} */
void sample_json(uint8_t *to, uint64_t bytes);

#endif
