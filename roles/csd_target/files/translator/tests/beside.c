/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Linked to a record program that is compiled natively: the memory that the drive gives it. */
#include <stdint.h>

extern uint64_t csd_parameters[128], csd_state[512];
uint64_t csd_parameters[128], csd_state[512];
