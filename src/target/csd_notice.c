/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include "csd_notice.h"

#include "spdk/env.h"

#include "csd_limit.h"

static pthread_mutex_t g_notice_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct csd_limit g_notice_limits[CSD_NOTICE_KINDS];

bool
csd_notice_take(enum csd_notice_kind kind, uint64_t *dropped)
{
	bool taken;

	pthread_mutex_lock(&g_notice_mutex);
	taken = csd_limit_take(&g_notice_limits[kind], CSD_NOTICE_MOST, spdk_get_ticks(),
			       CSD_NOTICE_SECONDS * spdk_get_ticks_hz(), dropped);
	pthread_mutex_unlock(&g_notice_mutex);
	return taken;
}
