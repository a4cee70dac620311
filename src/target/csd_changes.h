/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * How often a log page's contents have changed (CHNGC), as far as those that read it could tell: whoever reads a page
 * in pieces finds the same count as long as the contents are the same. Plain: knows nothing of SPDK.
 */
#ifndef CSD_CHANGES_H
#define CSD_CHANGES_H

#include <stddef.h>
#include <stdint.h>

/*
 * The count for this page of a subsystem; 0 for its first contents. Any thread. Keeps a copy of each page, for as long as
 * the process lives: the administrator alone makes subsystems.
 */
uint64_t csd_changes_count(const char *subnqn, uint8_t lid, const void *page, size_t length);

#endif
