/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * Accesses by addresses that come as program data, each of them on a line of its own: test_faults makes each one a fault
 * and looks for its line.
 */
#include "csd_bpf.h"

#define LOAD(type, number)	sum += *(volatile type *)addresses[number]
#define STORE(type, number)	*(volatile type *)addresses[number] = (type)sum
#define ADD(number)		__sync_fetch_and_add((__u64 *)addresses[number], sum)

CSD_STATE(__u64);

CSD_BUFFER_PROGRAM
int faults(struct csd_context *context)
{
	const __u64 *addresses = (const __u64 *)context->data;
	__u64 sum = 0;

	LOAD(__u8, 0);
	LOAD(__u16, 1);
	LOAD(__u32, 2);
	LOAD(__u64, 3);
	LOAD(__s8, 4);
	LOAD(__s32, 5);
	STORE(__u8, 6);
	STORE(__u16, 7);
	STORE(__u32, 8);
	STORE(__u64, 9);
	LOAD(__u8, 10);
	LOAD(__u16, 11);
	LOAD(__u32, 12);
	LOAD(__u64, 13);
	LOAD(__s8, 14);
	LOAD(__s32, 15);
	STORE(__u8, 16);
	STORE(__u16, 17);
	STORE(__u32, 18);
	STORE(__u64, 19);
	LOAD(__u8, 20);
	LOAD(__u16, 21);
	LOAD(__u32, 22);
	LOAD(__u64, 23);
	LOAD(__s8, 24);
	LOAD(__s32, 25);
	STORE(__u8, 26);
	STORE(__u16, 27);
	STORE(__u32, 28);
	STORE(__u64, 29);
	ADD(30);
	csd_state = sum;
	return 0;
}
