/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* rte_bpf.h includes this header of DPDK for packets, which programs of this engine never see. */
#pragma once
