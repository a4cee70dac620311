/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * The frames between csd_nvme and the program that started it: requests on standard input, replies on standard output.
 * Little endian, no padding. The first reply is a hello or a failure. Replies come in the order in which commands end.
 * At the end of its input csd_nvme disconnects and ends with 0.
 */
#ifndef CSD_NVME_H
#define CSD_NVME_H

#include <stdint.h>

#define CSD_NVME_REQUEST_MAGIC	0x51445343	/* "CSDQ" */
#define CSD_NVME_REPLY_MAGIC	0x41445343	/* "CSDA" */

enum csd_nvme_kind {
	CSD_NVME_ADMIN = 0,
	CSD_NVME_IO = 1,
	CSD_NVME_ABORT = 2,	/* of the I/O command whose tag is in DW1 (low) and DW2 (high) of `command` */
};

struct csd_nvme_request {
	uint32_t magic;
	uint16_t kind;		/* enum csd_nvme_kind */
	uint16_t queue;		/* I/O queue, from 0 */
	uint64_t tag;		/* the caller's; comes back in the reply */
	uint64_t reserved;
	uint32_t data_bytes;	/* that follow, for the controller */
	uint32_t room;		/* bytes that may come back; one of the two is 0 */
	uint8_t command[64];	/* submission queue entry; command identifier, PSDT and data pointer are filled in here */
};
_Static_assert(sizeof(struct csd_nvme_request) == 96, "request");

enum csd_nvme_reply_kind {
	CSD_NVME_COMPLETION = 0,
	CSD_NVME_HELLO = 1,	/* struct csd_nvme_hello follows */
	CSD_NVME_FAILURE = 2,	/* what was asked, found, and to do follow, each NUL-terminated; nothing comes after it */
};

struct csd_nvme_reply {
	uint32_t magic;
	uint16_t kind;		/* enum csd_nvme_reply_kind */
	uint16_t status;	/* status code type 10:8, status code 7:0 */
	uint64_t tag;
	uint64_t value;		/* DW0 low, DW1 high; of an abort: DW0, bit 0 set where nothing was aborted */
	uint32_t data_bytes;	/* that follow */
	uint32_t reserved;
};
_Static_assert(sizeof(struct csd_nvme_reply) == 32, "reply");

struct csd_nvme_hello {
	uint16_t queues;
	uint16_t depth;		/* requests that may be under way; more are not read until one has ended */
	uint32_t max_transfer;	/* bytes of one command */
};
_Static_assert(sizeof(struct csd_nvme_hello) == 8, "hello");

#endif
