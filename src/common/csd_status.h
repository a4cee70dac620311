/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* An NVMe status in a text: its type and its code as the standard writes numbers, "01h/98h". Python has csd.statuses.describe(). */
#ifndef CSD_STATUS_H
#define CSD_STATUS_H

/* Of a status as struct csd_completion has it: SCT in bits 10:8, SC in 7:0. printf("... " CSD_STATUS, CSD_STATUS_PARTS(status)) */
#define CSD_STATUS			"%02Xh/%02Xh"
#define CSD_STATUS_PARTS(status)	((unsigned int)(status) >> 8 & 0x7), ((unsigned int)(status) & 0xff)

#endif
