/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Count, sum, minimum and maximum of the temperature. minimum and maximum say something where count > 0. */
#include "csd_bpf.h"
#include "sensor.h"

struct aggregate_state {
	__u64 count;
	__s64 sum;
	__s32 minimum;
	__s32 maximum;
};

CSD_RECORD_STATE(struct sensor_record, sizeof(struct sensor_record), CSD_EMIT_NOTHING, struct aggregate_state);

CSD_PROGRAM
int aggregate(const struct sensor_record *record)
{
	__s64 temperature = record->temperature;

	if (csd_state.count == 0 || temperature < csd_state.minimum)
		csd_state.minimum = temperature;
	if (csd_state.count == 0 || temperature > csd_state.maximum)
		csd_state.maximum = temperature;
	csd_state.sum = (__u64)csd_state.sum + (__u64)temperature;	/* wraps, rather than overflows */
	csd_state.count++;
	return CSD_DROP;
}
