/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The record with the highest temperature, the first of equals. */
#include "csd_bpf.h"
#include "sensor.h"

struct top_state {
	__u64 found;	/* 0: no record was seen */
	struct sensor_record record;
};

CSD_RECORD_STATE(struct sensor_record, sizeof(struct sensor_record), CSD_EMIT_NOTHING, struct top_state);

CSD_PROGRAM
int top(const struct sensor_record *record)
{
	if (!csd_state.found || record->temperature > csd_state.record.temperature) {
		csd_state.found = 1;
		csd_state.record = *record;
	}
	return CSD_DROP;
}
