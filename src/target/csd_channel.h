/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * What a compute namespace keeps on each thread: the commands that run there, or wait for room to, and pools
 * of workers for its programs. It is the bdev's channel, so it lives as long as a queue of
 * this thread can send commands.
 */
#ifndef CSD_CHANNEL_H
#define CSD_CHANNEL_H

#include "csd_run.h"

struct csd_compute;

void csd_channels_init(struct csd_compute *compute);
void csd_channels_fini(struct csd_compute *compute, void (*done)(void *compute));
struct spdk_io_channel *csd_channel_get(struct csd_compute *compute);

/* 0: takes over the run, in the thread of its request; it is answered in any case. Else -ENOMEM. */
int csd_channel_submit(struct csd_compute *compute, struct csd_run *run);

/* The run of this request on this thread ends as aborted. false: there is none. */
bool csd_channel_abort(struct csd_compute *compute, struct spdk_nvmf_request *req);

/* Lets go of the pools of programs that left their slots, on all threads. */
void csd_channels_purge(struct csd_compute *compute, void (*done)(void *compute));

#endif
