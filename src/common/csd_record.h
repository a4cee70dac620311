/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The data set: n sensor records of 64 bytes, made from a seed.
 *
 * Record i depends on (seed, n, i) alone: every random draw is mix64(key(seed) + GOLDEN * (16 * counter + stream + 1)),
 * a counter-based generator, so any range can be made, and checked, anywhere and in any order.
 *
 *   id           i
 *   timestamp    2026-01-01T00:00:00Z in ns + i ms + a draw below 1 ms
 *   device       a draw below 1000
 *   temperature  milli-degrees Celsius, from the record's class (below)
 *   payload      five draws
 *
 * Selectivity is exact by construction. A filter is `temperature >= threshold`; the thresholds are constants:
 *
 *   class  temperature           records in this class or hotter
 *   0      [-40.000,  25.000)    n            (100 %)
 *   1      [ 25.000,  50.000)    round(n/2)   ( 50 %)
 *   2      [ 50.000,  70.000)    round(n/10)  ( 10 %)
 *   3      [ 70.000,  85.000)    round(n/100) (  1 %)
 *   4      [ 85.000, 125.000)    round(n/1000)(0.1 %)
 *
 * (halves are rounded up). A class is chosen by sampling in strata, level after level: to take k of m positions, the
 * m positions are cut into k strata [j*m/k, (j+1)*m/k) and one position of each stratum is drawn. The k taken are
 * counted through by j and are the m positions of the next level, which takes fewer. So each level has exactly k
 * members, the hotter class is always a part of the cooler one, members never cluster (one a stratum), are not
 * periodic (drawn within it), and whether record i is one is known in four steps without looking at any other.
 */
#ifndef CSD_RECORD_H
#define CSD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSD_RECORD_BYTES	64
#define CSD_RECORD_FORMAT	1	/* raised when the same seed gives other bytes */
#define CSD_MAX_RECORDS		UINT32_MAX	/* keeps the strata's products inside 64 bits: 256 GiB */
#define CSD_SELECTIVITIES	5

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are little endian on the device, and are used in place"
#endif

struct csd_record {
	uint64_t id;
	uint64_t timestamp;
	uint32_t device;
	int32_t temperature;
	uint64_t payload[5];
};

_Static_assert(sizeof(struct csd_record) == CSD_RECORD_BYTES, "a record is 64 bytes");

/* A selectivity for which the data set has a threshold. */
struct csd_selectivity {
	uint32_t permille;
	int32_t threshold;	/* milli-degrees; matches are >= it */
	const char *name;	/* as a fraction, for people and JSON */
};

/* Ascending: 0.1 %, 1 %, 10 %, 50 %, 100 %. */
extern const struct csd_selectivity csd_selectivities[CSD_SELECTIVITIES];

struct csd_dataset {
	uint64_t records;
	uint64_t seed;
	uint64_t key;
};

void csd_dataset_init(struct csd_dataset *set, uint64_t records, uint64_t seed);

/* Bytes of the records alone. */
uint64_t csd_dataset_bytes(const struct csd_dataset *set);

/* round(n * permille / 1000), halves up: the number of matches at that selectivity. */
uint64_t csd_dataset_matches(const struct csd_dataset *set, uint32_t permille);

/* Writes records [first, first + count) to `out`. */
void csd_dataset_fill(const struct csd_dataset *set, uint64_t first, size_t count, struct csd_record *out);

/*
 * True where this could have been written as record `index` of a data set of this program, whatever its seed:
 * id and timestamp say so. That is how `write` tells our old data from a stranger's.
 */
bool csd_record_is_ours(const struct csd_record *record, uint64_t index);

bool csd_record_is_zero(const struct csd_record *record);

#endif
