/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* All that librte_bpf's rte_bpf.h takes from this header of DPDK. The real ones belong to whole installations only. */
#pragma once
#include <stdio.h>
#define __rte_experimental
