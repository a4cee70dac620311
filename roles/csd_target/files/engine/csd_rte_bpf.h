/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* The part of DPDK's librte_bpf that the record engine uses; DPDK's headers stay behind it. */
#ifndef CSD_RTE_BPF_H
#define CSD_RTE_BPF_H

#include "csd_code.h"

struct rte_bpf;

struct csd_native_code {
	uint64_t (*function)(void *record);	/* NULL: this CPU has no JIT, or it went wrong (csd_jumps.h) */
	size_t bytes;
};

/* Loads verified code over its own parameters and state. NULL with a reason, or with an empty one: no memory. */
struct rte_bpf *csd_rte_bpf_load(const struct csd_code *code, void *parameters, void *state,
				 char reason[CSD_REASON_BYTES]);
void csd_rte_bpf_destroy(struct rte_bpf *bpf);

struct csd_native_code csd_rte_bpf_native(const struct rte_bpf *bpf, const struct csd_code *code);
uint64_t csd_rte_bpf_interpret(const struct rte_bpf *bpf, void *record);

#endif
