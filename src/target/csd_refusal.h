/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Why something cannot be done: the status code for a host, and words for the log and for RPC. */
#ifndef CSD_REFUSAL_H
#define CSD_REFUSAL_H

#include <stdint.h>

struct csd_refusal {
	uint8_t status_code_type;
	uint8_t status_code;
	char why[320];
};

/* Fills it in; returns -1, so that `return csd_refusal_set(...)` does. */
int csd_refusal_set(struct csd_refusal *refusal, uint8_t status_code_type, uint8_t status_code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* A command specific status of nvme_csd.h. */
#define csd_refuse_specific(refusal, status_code, ...) csd_refusal_set(refusal, 0x1, status_code, __VA_ARGS__)
/* Data SGL Length Invalid: data of another length than the command's fields say. */
#define csd_refuse_length(refusal, ...) csd_refusal_set(refusal, 0x0, 0x0f, __VA_ARGS__)
/* Command Interrupted: it may be sent again. */
#define csd_refuse_interrupted(refusal, ...) csd_refusal_set(refusal, 0x0, 0x21, __VA_ARGS__)
/* Invalid Field in Command. */
#define csd_refuse_field(refusal, ...) csd_refusal_set(refusal, 0x0, 0x02, __VA_ARGS__)

#endif
