/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * A device that is read and written asynchronously, whatever is behind it: a file or block device of this host
 * (csd_io_file.c) or a namespace of a remote target through SPDK's user-space initiator (csd_io_spdk.c). And the
 * commands that go beyond reading and writing, to any namespace of the same subsystem: by SPDK's initiator too, or by
 * the kernel's pass-through nodes (csd_io_passthru.c).
 */
#ifndef CSD_IO_H
#define CSD_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "csd_error.h"

/* Where the data lies. Either `path` or `traddr` is set. */
struct csd_place {
	const char *path;

	const char *traddr;
	const char *trsvcid;
	const char *subnqn;
	const char *hostnqn;
	uint32_t nsid;

	const char *uuid;		/* the namespace must have this UUID; NULL: any */
	uint64_t device_bytes;		/* the device must have this size; 0: any that is large enough */
	uint32_t memory_mb;		/* SPDK only: hugepage memory of this process */
	int core;			/* SPDK only: -1 chooses */
};

struct csd_io;

/* One NVMe command, as a Linux host can pass it through. Its data travel as the opcode's lowest two bits say. */
struct csd_nvme_command {
	uint8_t opcode;
	uint32_t nsid;
	uint32_t dw2, dw3;
	uint32_t dw10, dw11, dw12, dw13, dw14, dw15;
	void *data;			/* from alloc(); NULL: none */
	uint32_t bytes;
};

/* How a command ended: valid in the callback that reports it. */
struct csd_completion {
	uint16_t status;		/* SCT 10:8, SC 7:0; 0: success */
	uint64_t value;			/* CQE DW0 low, DW1 high */
};

/* Called from csd_io_poll() for each finished transfer; status is 0 or -errno. */
typedef void (*csd_io_done)(void *ctx, uint32_t tag, int status);

struct csd_io_ops {
	/* Memory that transfers may use; aligned for them. */
	void *(*alloc)(struct csd_io *io, size_t bytes);
	void (*free)(struct csd_io *io, void *memory);
	/* Starts one transfer. 0 or -errno; -EAGAIN: poll first. */
	int (*submit)(struct csd_io *io, bool write, void *buffer, uint64_t offset, uint32_t bytes, uint32_t tag);
	/* Reports finished transfers. May sleep for one where `wait` is set. Returns 0 or -errno (connection lost). */
	int (*poll)(struct csd_io *io, bool wait);
	/* Starts one I/O command. As submit(); the callback's status is -EIO where base.completion.status is not 0. */
	int (*command)(struct csd_io *io, const struct csd_nvme_command *command, uint32_t tag);
	/* Sends one admin command and waits for it. 0, -EIO with completion.status, or -errno. */
	int (*admin)(struct csd_io *io, const struct csd_nvme_command *command);
	/* Makes the device larger, what is new reads as zeros. NULL: it cannot grow. */
	int (*grow)(struct csd_io *io, uint64_t bytes, struct csd_error *err);
	void (*close)(struct csd_io *io);
};

struct csd_io {
	const struct csd_io_ops *ops;
	uint64_t bytes;			/* the device's size */
	uint32_t block_bytes;		/* transfers are multiples of this */
	uint32_t transfer_bytes;	/* the most data of one command; 0: no commands can be sent here */
	struct csd_completion completion;
	char name[512];			/* for messages */
	csd_io_done done;
	void *done_ctx;
};

/*
 * Each opens a place for transfers of at most `max_depth` at a time and `io_bytes` each. For writing, a regular file
 * that is not there is made, empty. NULL: `err` says why.
 */
struct csd_io *csd_io_open_file(const struct csd_place *place, bool write, uint32_t max_depth, struct csd_error *err);
struct csd_io *csd_io_open_spdk(const struct csd_place *place, uint32_t max_depth, uint32_t io_bytes,
				struct csd_error *err);

/*
 * The pass-through nodes beside a namespace's block device: /dev/ngXnY for `/dev/nvmeXnZ`. For commands only; a node's
 * namespace is asked for by NVME_IOCTL_ID, because its number says nothing.
 */
struct csd_io *csd_io_open_passthru(const char *path, uint32_t max_depth, struct csd_error *err);

#endif
