/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Counts temperatures in 64 bins of equal width. cparam1 holds both numbers, as a scan has no second parameter:
 *
 *	bits 31:0	where bin 0 begins, signed
 *	bits 37:32	w: a bin is 2^w wide (no division by a variable is needed); the bits above are ignored
 *
 * What lies below bin 0 counts in bin 0, what lies above bin 63 in bin 63.
 */
#include "csd_bpf.h"
#include "sensor.h"

#define BINS	64

struct histogram_state {
	__u64 bins[BINS];
};

CSD_RECORD_STATE(struct sensor_record, sizeof(struct sensor_record), CSD_EMIT_NOTHING, struct histogram_state);

CSD_PROGRAM
int histogram(const struct sensor_record *record)
{
	__s64 above = (__s64)record->temperature - (__s32)csd_parameters.cparam1;
	__u64 bin = 0;

	if (above > 0)
		bin = (__u64)above >> (csd_parameters.cparam1 >> 32 & 63);
	if (bin > BINS - 1)
		bin = BINS - 1;
	csd_state.bins[CSD_BOUND(bin, BINS - 1)]++;
	return CSD_DROP;
}
