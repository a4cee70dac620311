/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The record of the lab's data set: struct csd_record of the role csd_bench, in the types of programs. */
#ifndef SENSOR_H
#define SENSOR_H

#include <linux/types.h>

struct sensor_record {
	__u64 id;
	__u64 timestamp;
	__u32 device;
	__s32 temperature;	/* milli-degrees Celsius */
	__u64 payload[5];
};
_Static_assert(sizeof(struct sensor_record) == 64, "a record is 64 bytes");

#endif
