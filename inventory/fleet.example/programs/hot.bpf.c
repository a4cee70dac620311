/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Keeps the first hundred records whose temperature is at least cparam1, and then stops. */
#include "csd_bpf.h"
#include "sensor.h"

#define ENOUGH 100

struct kept {
	__u64 records;
};

CSD_RECORD_STATE(struct sensor_record, sizeof(struct sensor_record), CSD_EMIT_RECORD, struct kept);

CSD_PROGRAM
int hot(const struct sensor_record *record)
{
	if (record->temperature < (__s64)csd_parameters.cparam1)
		return CSD_DROP;
	csd_state.records++;
	return csd_state.records < ENOUGH ? CSD_KEEP : CSD_KEEP_AND_STOP;
}
