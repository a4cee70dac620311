/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Keeps the records whose temperature is at least cparam1, a signed number. */
#include "csd_bpf.h"
#include "sensor.h"

CSD_RECORD(struct sensor_record, sizeof(struct sensor_record), CSD_EMIT_RECORD);

CSD_PROGRAM
int threshold(const struct sensor_record *record)
{
	return record->temperature >= (__s64)csd_parameters.cparam1 ? CSD_KEEP : CSD_DROP;
}
