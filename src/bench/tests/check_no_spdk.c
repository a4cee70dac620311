/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Stands in for csd_io_spdk.c in the unit tests, which are built without SPDK. */
#include "csd_io.h"

struct csd_io *
csd_io_open_spdk(const struct csd_place *place, uint32_t max_depth, uint32_t io_bytes, struct csd_error *err)
{
	(void)place;
	(void)max_depth;
	(void)io_bytes;
	csd_fail(err, CSD_UNAVAILABLE, "SPDK's initiator");
	csd_found(err, "the unit tests are built without SPDK");
	csd_fix(err, "use csd_bench");
	return NULL;
}
