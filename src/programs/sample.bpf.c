/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Keeps every cparam1-th record, the first one included; 0 counts as 1. */
#include "csd_bpf.h"
#include "sensor.h"

struct sample_state {
	__u64 skip;	/* records to drop before the next one is kept */
};

CSD_RECORD_STATE(struct sensor_record, sizeof(struct sensor_record), CSD_EMIT_RECORD, struct sample_state);

CSD_PROGRAM
int sample(const struct sensor_record *record __attribute__((unused)))
{
	if (csd_state.skip > 0) {
		csd_state.skip--;
		return CSD_DROP;
	}
	csd_state.skip = csd_parameters.cparam1 > 0 ? csd_parameters.cparam1 - 1 : 0;
	return CSD_KEEP;
}
