/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/*
 * A device that is read and written asynchronously, whatever is behind it: a file or block device of this host
 * (csd_io_file.c) or a namespace of a remote target through SPDK's user-space initiator (csd_io_spdk.c).
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
	/* Makes the device larger, what is new reads as zeros. NULL: it cannot grow. */
	int (*grow)(struct csd_io *io, uint64_t bytes, struct csd_error *err);
	void (*close)(struct csd_io *io);
};

struct csd_io {
	const struct csd_io_ops *ops;
	uint64_t bytes;			/* the device's size */
	uint32_t block_bytes;		/* transfers are multiples of this */
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

#endif
