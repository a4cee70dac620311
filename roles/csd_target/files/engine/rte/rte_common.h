/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* rte_bpf.h includes this header of DPDK and takes nothing from it but standard types. */
#pragma once
#include <stddef.h>
#include <stdint.h>
