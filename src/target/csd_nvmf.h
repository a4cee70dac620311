/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Commands on their way from SPDK's target to the namespaces of csd_namespace.h. */
#ifndef CSD_NVMF_H
#define CSD_NVMF_H

#include "csd_namespace.h"

/* Before spdk_app_start(): controllers advertise I/O command sets from then on. */
void csd_nvmf_register(void);

/* Custom admin handlers: -1 leaves the command to SPDK. */
int csd_identify(struct spdk_nvmf_request *req);
int csd_get_log_page(struct spdk_nvmf_request *req);

#endif
