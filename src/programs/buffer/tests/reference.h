/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* What each program has to give, in plain C and as simple as can be: reference_NAME.c. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "csd_programs.h"
#include "run.h"

void reference_count_range(const struct job *job, struct result *wanted);
void reference_btree_lookup(const struct job *job, struct result *wanted);
void reference_crc32c_scrub(const struct job *job, struct result *wanted);
void reference_csv_filter(const struct job *job, struct result *wanted);
void reference_grep(const struct job *job, struct result *wanted);
void reference_group_by(const struct job *job, struct result *wanted);
void reference_json_filter(const struct job *job, struct result *wanted);
void reference_nearest(const struct job *job, struct result *wanted);
void reference_rle_decode(const struct job *job, struct result *wanted);
void reference_tpch_q1(const struct job *job, struct result *wanted);
void reference_tpch_q6(const struct job *job, struct result *wanted);

/* A number of a type, without loss. */
__int128 reference_number(const uint8_t *at, uint32_t type);

/* The line that begins there, with its line feed if it has one. */
uint64_t reference_line(const struct job *job, uint64_t at);

#endif
